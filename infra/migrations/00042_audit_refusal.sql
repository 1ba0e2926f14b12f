-- +goose Up
-- Refused attempts leave audit entries: ten for each actor and minute, and then one with
-- the number of the others, see shared/audit/refusals.go.
CREATE TABLE audit_refusal (
  org_id     uuid NOT NULL REFERENCES organization (id),
  minute     timestamptz NOT NULL,
  actor_id   text NOT NULL,
  actor_type text NOT NULL CHECK (actor_type IN ('api_key', 'staff_key')),
  actor_name text NOT NULL,
  attempts   integer NOT NULL CHECK (attempts > 0),
  due_at     timestamptz,
  PRIMARY KEY (org_id, minute, actor_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE audit_refusal IS 'How many attempts of an actor were refused in a minute. The sequencer deletes a row when it writes the entry about it, the upkeep all others.';
COMMENT ON COLUMN audit_refusal.org_id IS 'The organization in which the actor tried. Zeros: the platform.';
COMMENT ON COLUMN audit_refusal.minute IS 'When the minute began.';
COMMENT ON COLUMN audit_refusal.actor_id IS 'Who tried, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN audit_refusal.actor_type IS 'As audit_entry.actor_type.';
COMMENT ON COLUMN audit_refusal.actor_name IS 'The name of the actor at that time.';
COMMENT ON COLUMN audit_refusal.attempts IS 'How many attempts were refused.';
COMMENT ON COLUMN audit_refusal.due_at IS 'When the entry about those without an entry of their own is due. NULL: each has one.';
-- attempts is in no index, so counting changes none.
CREATE INDEX audit_refusal_due ON audit_refusal (org_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX audit_refusal_minute ON audit_refusal (minute) WHERE due_at IS NULL;
CALL raise_wall('audit_refusal');
GRANT SELECT, INSERT, UPDATE ON audit_refusal TO portico_app;
CALL open_to_worker('audit_refusal', 'SELECT, DELETE');
