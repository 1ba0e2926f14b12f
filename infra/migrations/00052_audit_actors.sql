-- +goose Up
-- Members, apps, portal links and staff act, too. NOT VALID: rows that exist have fewer
-- types and are not read again.
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_actor_type_check,
  ADD CONSTRAINT audit_entry_actor_type_check CHECK (actor_type IN ('api_key', 'staff_key', 'member', 'oauth_client', 'portal', 'staff', 'system')) NOT VALID;
ALTER TABLE audit_refusal DROP CONSTRAINT audit_refusal_actor_type_check,
  ADD CONSTRAINT audit_refusal_actor_type_check CHECK (actor_type IN ('api_key', 'staff_key', 'member', 'oauth_client', 'portal', 'staff')) NOT VALID;
COMMENT ON COLUMN audit_entry.actor_id IS 'Who did it: the id of a key, member, app or person, or the part of Portico.';
