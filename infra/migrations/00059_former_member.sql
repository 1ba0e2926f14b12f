-- +goose Up
-- Whoever an organization has removed does not become a member again just by signing in with
-- its identity provider, which may still know them.
CREATE TABLE former_member (
  org_id     uuid NOT NULL REFERENCES organization (id),
  user_id    uuid NOT NULL,
  email_hash bytea NOT NULL CHECK (octet_length(email_hash) = 32),
  removed_at timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, user_id)
);
COMMENT ON TABLE former_member IS 'The users whom an organization has removed. They become members again only if somebody adds or invites them.';
COMMENT ON COLUMN former_member.org_id IS 'The organization.';
COMMENT ON COLUMN former_member.user_id IS 'The user, who may be deleted by now.';
COMMENT ON COLUMN former_member.email_hash IS 'SHA-256 of the address in lower case, so that a deleted user is known again.';
COMMENT ON COLUMN former_member.removed_at IS 'When the user was last removed.';
CREATE INDEX former_member_email ON former_member (org_id, email_hash);
CALL raise_wall('former_member');
GRANT SELECT, INSERT, UPDATE ON former_member TO portico_app;
