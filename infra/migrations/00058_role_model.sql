-- +goose Up
-- Where there are two tiers, the one below admin is the role member. NOT VALID: rows that
-- exist have other roles.
ALTER TABLE member
  DROP CONSTRAINT member_predefined_check,
  ADD CONSTRAINT member_predefined_check CHECK (predefined IN ('owner', 'admin', 'member', 'developer', 'viewer')) NOT VALID;
ALTER TABLE sso_connection
  DROP CONSTRAINT sso_connection_predefined_check,
  ADD CONSTRAINT sso_connection_predefined_check CHECK (predefined IN ('owner', 'admin', 'member', 'developer', 'viewer')) NOT VALID;
ALTER TABLE invitation
  DROP CONSTRAINT invitation_predefined_check,
  ADD CONSTRAINT invitation_predefined_check CHECK (predefined IN ('owner', 'admin', 'member', 'developer', 'viewer')) NOT VALID;
