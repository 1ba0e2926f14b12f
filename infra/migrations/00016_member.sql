-- +goose Up
-- People. One person is one user, in however many organizations, so the table
-- has no organization and stands outside the wall. portico_app sees the users
-- that are members of its bound organization, without the name that others may
-- have given them, and makes one only through user_of.
-- (Not called user: that word alone is Postgres' current_user.)
CREATE TABLE user_account (
  id         uuid PRIMARY KEY,
  email      text NOT NULL,
  name       text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX user_account_email ON user_account (lower(email));

-- A set of permissions that an organization made itself. The predefined ones
-- stand in shared/role/predefined.go.
CREATE TABLE role (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,
  description text NOT NULL,
  permissions text[] NOT NULL,
  condition   text NOT NULL,  -- in Cedar; '' for none
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX role_name ON role (org_id, lower(name));
CALL raise_wall('role');
GRANT SELECT, INSERT, UPDATE, DELETE ON role TO portico_app;

-- A user in an organization, with one role: a predefined one or its own.
CREATE TABLE member (
  org_id     uuid NOT NULL REFERENCES organization (id),
  id         uuid NOT NULL,
  user_id    uuid NOT NULL REFERENCES user_account (id),
  name       text NOT NULL,  -- by which this organization knows the user
  predefined text CHECK (predefined IN ('owner', 'admin', 'developer', 'viewer')),
  role_id    uuid,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, user_id),
  FOREIGN KEY (org_id, role_id) REFERENCES role (org_id, id),
  CHECK ((predefined IS NULL) <> (role_id IS NULL))
);
CREATE INDEX member_user ON member (user_id);
CREATE INDEX member_role ON member (org_id, role_id);
CALL raise_wall('member');
GRANT SELECT, INSERT, DELETE ON member TO portico_app;
GRANT UPDATE (name, predefined, role_id, updated_at) ON member TO portico_app;

-- What a member may do with one resource, beyond the role.
CREATE TABLE resource_grant (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  member_id     uuid NOT NULL,
  permission    text NOT NULL,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,  -- as customers see it: we_…
  created_at    timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, member_id, permission, resource_type, resource_id),
  FOREIGN KEY (org_id, member_id) REFERENCES member (org_id, id) ON DELETE CASCADE
);
CALL raise_wall('resource_grant');
GRANT SELECT, INSERT, DELETE ON resource_grant TO portico_app;

ALTER TABLE user_account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY member ON user_account FOR SELECT TO portico_app
  USING (EXISTS (SELECT FROM member m WHERE m.org_id = (SELECT app_org()) AND m.user_id = user_account.id));
CREATE POLICY owner ON user_account TO portico_owner USING (true) WITH CHECK (true);
GRANT SELECT (id, email) ON user_account TO portico_app;

-- user_of returns the user with an address, made if there is none yet. Touching
-- the one that exists locks it, so that it does not leave meanwhile.
CREATE FUNCTION user_of(address text, called text, fresh uuid) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO user_account (id, email, name, created_at) VALUES (fresh, address, called, portico_now())
  ON CONFLICT (lower(email)) DO UPDATE SET email = user_account.email
  RETURNING id
$$;
REVOKE EXECUTE ON FUNCTION user_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_of TO portico_app;

-- A user without any membership is forgotten. That others still have them is
-- known by the foreign key, which sees across organizations.
-- +goose StatementBegin
CREATE FUNCTION forget_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM user_account WHERE id = OLD.user_id;
  RETURN NULL;
EXCEPTION WHEN foreign_key_violation THEN
  RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION forget_user FROM PUBLIC;
CREATE TRIGGER member_left AFTER DELETE ON member FOR EACH ROW EXECUTE FUNCTION forget_user();
