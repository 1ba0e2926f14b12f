-- +goose Up
-- A directory is an organization's own list of its people (SCIM): its identity provider says
-- who is a member, and in which groups.
CREATE TABLE directory (
  org_id        uuid NOT NULL,
  connection_id uuid NOT NULL,
  token_hash    bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  group_roles   jsonb NOT NULL DEFAULT '[]',
  maker_type    text NOT NULL,
  maker_id      text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  updated_at    timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, connection_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES sso_connection (org_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE directory IS 'The directories by which identity providers say who the members of organizations are (SCIM).';
COMMENT ON COLUMN directory.org_id IS 'The organization.';
COMMENT ON COLUMN directory.connection_id IS 'The connection of the identity provider. Its domains and its default role are those of the directory.';
COMMENT ON COLUMN directory.token_hash IS 'SHA-256 of the provider''s token. The token has 256 random bits, so no salt is needed.';
COMMENT ON COLUMN directory.group_roles IS 'Which groups have which role: a list of {"group", "role"}; the first that fits counts. Empty: groups give no roles.';
COMMENT ON COLUMN directory.maker_type IS 'The type of who has made or changed it last, as in audit_entry.actor_type. The directory gives and takes no more than they may at that time.';
COMMENT ON COLUMN directory.maker_id IS 'The id of who has made or changed it last.';
COMMENT ON COLUMN directory.created_at IS 'When it was made.';
COMMENT ON COLUMN directory.updated_at IS 'When it was last changed.';
CALL raise_wall('directory');
GRANT SELECT, INSERT, UPDATE, DELETE ON directory TO portico_app;

CREATE TABLE directory_user (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  connection_id uuid NOT NULL,
  user_name     text NOT NULL CHECK (length(user_name) BETWEEN 1 AND 254),
  external_id   text NOT NULL CHECK (length(external_id) <= 254),
  email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
  given_name    text NOT NULL CHECK (length(given_name) <= 200),
  family_name   text NOT NULL CHECK (length(family_name) <= 200),
  display_name  text NOT NULL CHECK (length(display_name) <= 200),
  active        boolean NOT NULL,
  member_id     uuid,
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  updated_at    timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, member_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES directory (org_id, connection_id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, member_id) REFERENCES member (org_id, id) ON DELETE SET NULL (member_id)
);
COMMENT ON TABLE directory_user IS 'The people of a directory.';
COMMENT ON COLUMN directory_user.org_id IS 'The organization.';
COMMENT ON COLUMN directory_user.id IS 'Shown as dru_….';
COMMENT ON COLUMN directory_user.connection_id IS 'The directory.';
COMMENT ON COLUMN directory_user.user_name IS 'What the provider calls the person; unique in the directory, whatever the case.';
COMMENT ON COLUMN directory_user.external_id IS 'The provider''s own id. Empty: it has sent none.';
COMMENT ON COLUMN directory_user.email IS 'The address, in lower case.';
COMMENT ON COLUMN directory_user.given_name IS 'The first name.';
COMMENT ON COLUMN directory_user.family_name IS 'The last name.';
COMMENT ON COLUMN directory_user.display_name IS 'The whole name, if the provider has sent it.';
COMMENT ON COLUMN directory_user.active IS 'Whether the person is to be a member.';
COMMENT ON COLUMN directory_user.member_id IS 'The member. NULL: the person is none, because they are not active, or were removed by other means.';
COMMENT ON COLUMN directory_user.created_at IS 'When the provider has made it.';
COMMENT ON COLUMN directory_user.updated_at IS 'When it was last changed.';
CREATE UNIQUE INDEX directory_user_name ON directory_user (org_id, connection_id, lower(user_name));
CALL raise_wall('directory_user');
GRANT SELECT, INSERT, UPDATE, DELETE ON directory_user TO portico_app;

CREATE TABLE directory_group (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  connection_id uuid NOT NULL,
  display_name  text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 254),
  external_id   text NOT NULL CHECK (length(external_id) <= 254),
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  updated_at    timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES directory (org_id, connection_id) ON DELETE CASCADE
);
COMMENT ON TABLE directory_group IS 'The groups of a directory.';
COMMENT ON COLUMN directory_group.org_id IS 'The organization.';
COMMENT ON COLUMN directory_group.id IS 'Shown as drg_….';
COMMENT ON COLUMN directory_group.connection_id IS 'The directory.';
COMMENT ON COLUMN directory_group.display_name IS 'Its name, by which directory.group_roles names it; unique in the directory, whatever the case.';
COMMENT ON COLUMN directory_group.external_id IS 'The provider''s own id. Empty: it has sent none.';
COMMENT ON COLUMN directory_group.created_at IS 'When the provider has made it.';
COMMENT ON COLUMN directory_group.updated_at IS 'When it was last changed.';
CREATE UNIQUE INDEX directory_group_name ON directory_group (org_id, connection_id, lower(display_name));
CALL raise_wall('directory_group');
GRANT SELECT, INSERT, UPDATE, DELETE ON directory_group TO portico_app;

CREATE TABLE directory_group_user (
  org_id   uuid NOT NULL,
  group_id uuid NOT NULL,
  user_id  uuid NOT NULL,
  PRIMARY KEY (org_id, group_id, user_id),
  FOREIGN KEY (org_id, group_id) REFERENCES directory_group (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, user_id) REFERENCES directory_user (org_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE directory_group_user IS 'Who is in which group of a directory.';
COMMENT ON COLUMN directory_group_user.org_id IS 'The organization.';
COMMENT ON COLUMN directory_group_user.group_id IS 'The group.';
COMMENT ON COLUMN directory_group_user.user_id IS 'The person of the directory.';
CREATE INDEX directory_group_user_user ON directory_group_user (org_id, user_id);
CALL raise_wall('directory_group_user');
GRANT SELECT, INSERT, DELETE ON directory_group_user TO portico_app;
