-- +goose Up
-- Who may do what, and who did what: people and their roles, keys, the audit log.

-- The table is not called user, because that word means current_user in Postgres.
CREATE TABLE user_account (
  id         uuid PRIMARY KEY,
  email      text NOT NULL,
  name       text NOT NULL,
  created_at timestamptz NOT NULL
);
COMMENT ON TABLE user_account IS
  'People. A person is one user in all organizations, so the table has no organization and is outside the wall. portico_app sees the users that are '
  'members of its bound organization, without the name that another organization gave them, and creates a user only through user_of.';
COMMENT ON COLUMN user_account.id IS 'Shown as usr_…; the same in every database.';
COMMENT ON COLUMN user_account.email IS 'The address that identifies the user. Case is ignored.';
COMMENT ON COLUMN user_account.name IS 'The name that the first organization gave. Each organization shows its own name for the user: member.name.';
COMMENT ON COLUMN user_account.created_at IS 'When an organization first added the user.';
CREATE UNIQUE INDEX user_account_email ON user_account (lower(email));

CREATE TABLE role (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,
  description text NOT NULL,
  permissions text[] NOT NULL,
  condition   text NOT NULL,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  PRIMARY KEY (org_id, id)
);
COMMENT ON TABLE role IS 'A set of permissions that an organization made itself. The predefined roles are in shared/role/predefined.go.';
COMMENT ON COLUMN role.org_id IS 'The organization that made it.';
COMMENT ON COLUMN role.id IS 'Shown as role_….';
COMMENT ON COLUMN role.name IS 'Unique in the organization. Case is ignored.';
COMMENT ON COLUMN role.description IS 'For people; may be empty.';
COMMENT ON COLUMN role.permissions IS 'What it allows, such as events:read.';
COMMENT ON COLUMN role.condition IS 'A Cedar expression that limits the permissions. Empty: no condition.';
COMMENT ON COLUMN role.created_at IS 'When it was made.';
COMMENT ON COLUMN role.updated_at IS 'When it was last changed.';
CREATE UNIQUE INDEX role_name ON role (org_id, lower(name));
CALL raise_wall('role');
GRANT SELECT, INSERT, UPDATE, DELETE ON role TO portico_app;

CREATE TABLE member (
  org_id     uuid NOT NULL REFERENCES organization (id),
  id         uuid NOT NULL,
  user_id    uuid NOT NULL REFERENCES user_account (id),
  name       text NOT NULL,
  predefined text CHECK (predefined IN ('owner', 'admin', 'developer', 'viewer')),
  role_id    uuid,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, user_id),
  FOREIGN KEY (org_id, role_id) REFERENCES role (org_id, id),
  CHECK ((predefined IS NULL) <> (role_id IS NULL))
);
COMMENT ON TABLE member IS 'A user in an organization, with one role: a predefined one or one that the organization made.';
COMMENT ON COLUMN member.org_id IS 'The organization.';
COMMENT ON COLUMN member.id IS 'Shown as mem_….';
COMMENT ON COLUMN member.user_id IS 'The user. A user without any membership is deleted.';
COMMENT ON COLUMN member.name IS 'The name that this organization gave the user.';
COMMENT ON COLUMN member.predefined IS 'The predefined role. NULL: role_id names the role.';
COMMENT ON COLUMN member.role_id IS 'The role that the organization made. NULL: predefined names the role.';
COMMENT ON COLUMN member.created_at IS 'When the user became a member.';
COMMENT ON COLUMN member.updated_at IS 'When the membership was last changed.';
CREATE INDEX member_user ON member (user_id);
CREATE INDEX member_role ON member (org_id, role_id);
CALL raise_wall('member');
GRANT SELECT, INSERT, DELETE, UPDATE (name, predefined, role_id, updated_at) ON member TO portico_app;

CREATE TABLE resource_grant (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  member_id     uuid NOT NULL,
  permission    text NOT NULL,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  created_at    timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, member_id, permission, resource_type, resource_id),
  FOREIGN KEY (org_id, member_id) REFERENCES member (org_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE resource_grant IS 'What a member may do with one resource, in addition to the role.';
COMMENT ON COLUMN resource_grant.org_id IS 'The organization of the member.';
COMMENT ON COLUMN resource_grant.id IS 'Shown as grant_….';
COMMENT ON COLUMN resource_grant.member_id IS 'The member who may do it. The grants are deleted with the member.';
COMMENT ON COLUMN resource_grant.permission IS 'What is allowed, such as events:read.';
COMMENT ON COLUMN resource_grant.resource_type IS 'The noun of the resource, such as webhook_endpoint.';
COMMENT ON COLUMN resource_grant.resource_id IS 'The id of the resource as customers see it: we_….';
COMMENT ON COLUMN resource_grant.created_at IS 'When it was given.';
CALL raise_wall('resource_grant');
GRANT SELECT, INSERT, DELETE ON resource_grant TO portico_app;

ALTER TABLE user_account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY member ON user_account FOR SELECT TO portico_app
  USING (EXISTS (SELECT FROM member m WHERE m.org_id = (SELECT app_org()) AND m.user_id = user_account.id));
CREATE POLICY owner ON user_account TO portico_owner USING (true) WITH CHECK (true);
GRANT SELECT (id, email) ON user_account TO portico_app;

-- user_of returns the user with an address, and creates it if there is none. For
-- an existing user the update changes nothing, but locks the row, so that it is
-- not deleted meanwhile.
CREATE FUNCTION user_of(address text, called text, fresh uuid) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO user_account (id, email, name, created_at) VALUES (fresh, address, called, portico_now())
  ON CONFLICT (lower(email)) DO UPDATE SET email = user_account.email
  RETURNING id
$$;
REVOKE EXECUTE ON FUNCTION user_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_of TO portico_app;

-- user_with finds a user by address. A person who is a member in two databases is
-- one user, with the same id in both.
CREATE FUNCTION user_with(address text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT id FROM user_account WHERE lower(email) = lower(address)
$$;
REVOKE EXECUTE ON FUNCTION user_with FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_with TO portico_app;

-- forget_user deletes a user without any membership. If another organization has
-- the user as a member, the foreign key prevents it: the wall does not limit
-- foreign keys.
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

CREATE TABLE api_key (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,
  hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
  key_start   text NOT NULL DEFAULT '',
  permissions text[] NOT NULL,
  allowed_ips text[] NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  expires_at  timestamptz,
  revoked_at  timestamptz,
  replaced_by uuid,
  PRIMARY KEY (org_id, id)
);
COMMENT ON TABLE api_key IS 'The API keys. Requests read their projections in DynamoDB. The key itself is not stored anywhere.';
COMMENT ON COLUMN api_key.org_id IS 'The organization for which the key acts.';
COMMENT ON COLUMN api_key.id IS 'Shown as key_….';
COMMENT ON COLUMN api_key.name IS 'For people; not unique.';
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the key. The key has 178 random bits, so no salt is needed.';
COMMENT ON COLUMN api_key.key_start IS 'The first characters of the key, so that people can recognize it.';
COMMENT ON COLUMN api_key.permissions IS 'What it allows, such as events:write.';
COMMENT ON COLUMN api_key.allowed_ips IS 'The addresses from which it may be used, in CIDR notation. Empty: any address.';
COMMENT ON COLUMN api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN api_key.expires_at IS 'When it expires. NULL: never.';
COMMENT ON COLUMN api_key.revoked_at IS 'When it was revoked. NULL: it was not.';
COMMENT ON COLUMN api_key.replaced_by IS 'The key that a rotation made in its place. NULL: it was not rotated.';
CREATE INDEX api_key_hash ON api_key (hash);
CALL raise_wall('api_key');
GRANT SELECT, INSERT, UPDATE ON api_key TO portico_app;

-- When a projection was lost, the key's row is found by its hash, before the
-- organization is known. The function returns only the organization; the row
-- itself is then read behind the wall. The policy opens the table to
-- portico_owner, which cannot log in.
CREATE POLICY lookup ON api_key FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION api_key_org(wanted bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT org_id FROM api_key WHERE hash = wanted
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION api_key_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_org TO portico_app;

CREATE TABLE staff_key (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
COMMENT ON TABLE staff_key IS
  'The keys of the company''s own staff. A key acts on the organization that a request names, so it belongs to none and is outside the wall.';
COMMENT ON COLUMN staff_key.id IS 'Shown as staff_….';
COMMENT ON COLUMN staff_key.name IS 'Who uses it; the audit log shows this name.';
COMMENT ON COLUMN staff_key.hash IS 'SHA-256 of the key.';
COMMENT ON COLUMN staff_key.created_at IS 'When it was made.';
COMMENT ON COLUMN staff_key.expires_at IS 'When it expires. NULL: never.';
COMMENT ON COLUMN staff_key.revoked_at IS 'When it was revoked. NULL: it was not.';
GRANT SELECT, INSERT, UPDATE (revoked_at) ON staff_key TO portico_app;

-- A hash chain does not exist yet. It would be a table beside this one (org_id,
-- seq, entry_id, prev_hash, hash), which one sequencer per organization writes
-- after the commit, so that no mutation waits for another's lock. An archive and
-- streams would read in the order of that seq.
CREATE TABLE audit_entry (
  org_id     uuid NOT NULL REFERENCES organization (id),
  id         uuid NOT NULL,
  action     text NOT NULL,
  noun       text NOT NULL GENERATED ALWAYS AS (split_part(action, '.', 1)) STORED,
  actor_type text NOT NULL CHECK (actor_type IN ('api_key', 'staff_key', 'system')),
  actor_id   text NOT NULL,
  actor_name text,
  targets    json NOT NULL,
  before     json,
  after      json,
  request_id text NOT NULL,
  source_ip  inet,
  user_agent text NOT NULL,
  outcome    text NOT NULL DEFAULT 'success' CHECK (outcome IN ('success', 'failure')),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, id)
);
COMMENT ON TABLE audit_entry IS
  'Who changed what: one entry per mutation, written in its transaction. Entries do not change; their columns are json, because jsonb would not keep the bytes.';
COMMENT ON COLUMN audit_entry.org_id IS 'The organization in which the change was made.';
COMMENT ON COLUMN audit_entry.id IS 'Shown as aud_…. Ids sort by time.';
COMMENT ON COLUMN audit_entry.action IS 'What was done: <noun>.<verb>.';
COMMENT ON COLUMN audit_entry.noun IS 'The noun of the action. It is a column, because behind the wall Postgres uses an index only for equality and order of plain columns: other operators might leak rows.';
COMMENT ON COLUMN audit_entry.actor_type IS 'system is Portico itself.';
COMMENT ON COLUMN audit_entry.actor_id IS 'Who did it: the id of a key, or the part of Portico.';
COMMENT ON COLUMN audit_entry.actor_name IS 'The name of the actor at that time.';
COMMENT ON COLUMN audit_entry.targets IS 'What was changed: [{"type","id"}].';
COMMENT ON COLUMN audit_entry.before IS 'The changed fields as they were, without secrets. NULL: there was nothing.';
COMMENT ON COLUMN audit_entry.after IS 'The changed fields as they are now, without secrets. NULL: there is nothing now.';
COMMENT ON COLUMN audit_entry.request_id IS 'The id of the request, as in its log line and its reply.';
COMMENT ON COLUMN audit_entry.source_ip IS 'The address from which the request came. NULL: unknown.';
COMMENT ON COLUMN audit_entry.user_agent IS 'The header User-Agent, the first 500 bytes.';
COMMENT ON COLUMN audit_entry.outcome IS 'Only changes that succeed leave an entry today.';
COMMENT ON COLUMN audit_entry.created_at IS 'When it was done.';
CREATE INDEX audit_entry_action ON audit_entry (org_id, action, id);
CREATE INDEX audit_entry_noun ON audit_entry (org_id, noun, id);
CREATE INDEX audit_entry_actor ON audit_entry (org_id, actor_id, id);

CREATE TABLE audit_target (
  org_id    uuid NOT NULL,
  target_id text NOT NULL,
  entry_id  uuid NOT NULL,
  PRIMARY KEY (org_id, target_id, entry_id)
);
COMMENT ON TABLE audit_target IS 'The entries that name a target: an index of audit_entry.targets.';
COMMENT ON COLUMN audit_target.org_id IS 'The organization of the entry.';
COMMENT ON COLUMN audit_target.target_id IS 'The id of the target, as customers see it.';
COMMENT ON COLUMN audit_target.entry_id IS 'The entry, audit_entry.id.';
CALL raise_wall('audit_entry');
CALL raise_wall('audit_target');
GRANT SELECT, INSERT ON audit_entry, audit_target TO portico_app;
CALL open_to_worker('audit_entry', 'INSERT');
CALL open_to_worker('audit_target', 'INSERT');

-- keep_as_written prevents even portico_owner from changing an entry by accident.
-- A transaction that erases a whole organization must first run
-- set_config('app.erase_org', <its id>, true).
-- +goose StatementBegin
CREATE FUNCTION keep_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE' AND current_setting('app.erase_org', true) = OLD.org_id::text THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'rows of % can only be inserted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_target FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_target EXECUTE FUNCTION keep_as_written();
