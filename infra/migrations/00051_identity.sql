-- +goose Up
-- How people prove who they are. A user with a row in user_login can sign in. These tables
-- have rows only in the database home, and none of an organization: they stand behind a
-- wall of their own, on the user that is bound to the transaction.
--
-- portico_identity is the role of the functions for signing in, of people's own accounts
-- and of the admin panel. portico_app and portico_worker cannot read any of these tables.
GRANT USAGE ON SCHEMA public TO portico_identity;
GRANT SELECT ON clock TO portico_identity;

-- app_user returns the user that pg.Identity.AsUser has bound to this transaction. It
-- raises an error when none is bound, as app_org does.
-- +goose StatementBegin
CREATE FUNCTION app_user() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE bound text := current_setting('app.user_id', true);
BEGIN
  IF bound IS NULL OR bound = '' THEN
    RAISE EXCEPTION 'no user bound to this transaction' USING ERRCODE = '42501';
  END IF;
  RETURN bound::uuid;
END $$;
-- +goose StatementEnd

-- raise_user_wall lets portico_identity see and write only rows of its bound user,
-- whatever other policies are added. portico_owner, which cannot log in, reaches all rows
-- for the functions below.
-- +goose StatementBegin
CREATE PROCEDURE raise_user_wall(tbl regclass)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY user_wall ON %s AS RESTRICTIVE TO portico_identity
    USING (user_id = (SELECT app_user())) WITH CHECK (user_id = (SELECT app_user()))', tbl);
  EXECUTE format('CREATE POLICY identity ON %s TO portico_identity USING (true) WITH CHECK (true)', tbl);
  EXECUTE format('CREATE POLICY owner ON %s TO portico_owner USING (true) WITH CHECK (true)', tbl);
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON PROCEDURE raise_user_wall FROM PUBLIC;

-- A user may see and change the own account. The address of another user is not free, so
-- it is changed only when the new one is proven.
CREATE POLICY own ON user_account TO portico_identity USING (id = (SELECT app_user())) WITH CHECK (id = (SELECT app_user()));
GRANT SELECT (id, email, name), UPDATE (email, name) ON user_account TO portico_identity;

COMMENT ON COLUMN member.user_id IS 'The user. A user without any membership and without a row in user_login is deleted.';

-- The foreign key has no ON DELETE CASCADE: it makes forget_user keep whoever can sign in.
CREATE TABLE user_login (
  user_id            uuid PRIMARY KEY REFERENCES user_account (id),
  email_verified_at  timestamptz,
  suspended_at       timestamptz,
  credential_version bigint NOT NULL DEFAULT 1 CHECK (credential_version > 0),
  last_sign_in_at    timestamptz,
  created_at         timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE user_login IS
  'The users who can sign in, or have begun to sign up. Only the database home has rows. Whoever changes a credential or begins a session locks the row of the user.';
COMMENT ON COLUMN user_login.user_id IS 'The user. A user with such a row stays also without any membership.';
COMMENT ON COLUMN user_login.email_verified_at IS 'When the user has proven to read the mails to user_account.email. NULL: not yet.';
COMMENT ON COLUMN user_login.suspended_at IS 'When staff suspended the user. NULL: the user may sign in.';
COMMENT ON COLUMN user_login.credential_version IS 'Grows with every change of a credential, so that what was begun before such a change is not completed after it.';
COMMENT ON COLUMN user_login.last_sign_in_at IS 'When the user last signed in. NULL: never.';
COMMENT ON COLUMN user_login.created_at IS 'When the user began to sign up.';
CALL raise_user_wall('user_login');
GRANT SELECT, DELETE, UPDATE (email_verified_at, suspended_at, credential_version, last_sign_in_at) ON user_login TO portico_identity;
CREATE TRIGGER login_ended AFTER DELETE ON user_login FOR EACH ROW EXECUTE FUNCTION forget_user();

CREATE TABLE user_password (
  user_id        uuid PRIMARY KEY REFERENCES user_login (user_id) ON DELETE CASCADE,
  phc            text NOT NULL CHECK (length(phc) BETWEEN 1 AND 500),
  pepper_version integer NOT NULL CHECK (pepper_version >= 0),
  changed_at     timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE user_password IS 'The password of a user, hashed. A user who signs in otherwise has none.';
COMMENT ON COLUMN user_password.user_id IS 'The user.';
COMMENT ON COLUMN user_password.phc IS 'The argon2id hash with its salt and parameters, as a PHC string, of the password''s HMAC under the pepper.';
COMMENT ON COLUMN user_password.pepper_version IS 'Which pepper was used.';
COMMENT ON COLUMN user_password.changed_at IS 'When the user last chose a password. A new hash of the same password does not change it.';
CALL raise_user_wall('user_password');
GRANT SELECT, INSERT, UPDATE, DELETE ON user_password TO portico_identity;

CREATE TABLE user_identity (
  id         uuid PRIMARY KEY,
  user_id    uuid NOT NULL REFERENCES user_login (user_id) ON DELETE CASCADE,
  connection text NOT NULL CHECK (length(connection) BETWEEN 1 AND 64),
  issuer     text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
  subject    text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
  email      text NOT NULL CHECK (length(email) <= 320),
  used_at    timestamptz,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  UNIQUE (connection, issuer, subject)
);
COMMENT ON TABLE user_identity IS 'The accounts at other providers with which a user signs in. What the provider says of the address never identifies the user.';
COMMENT ON COLUMN user_identity.id IS 'A UUIDv7.';
COMMENT ON COLUMN user_identity.user_id IS 'The user.';
COMMENT ON COLUMN user_identity.connection IS 'google, github, or the id of an organization''s connection.';
COMMENT ON COLUMN user_identity.issuer IS 'Who asserts the identity.';
COMMENT ON COLUMN user_identity.subject IS 'Who the user is for the issuer.';
COMMENT ON COLUMN user_identity.email IS 'The address that the provider last named, for people.';
COMMENT ON COLUMN user_identity.used_at IS 'When it was last used. NULL: never.';
COMMENT ON COLUMN user_identity.created_at IS 'When it was linked.';
CREATE INDEX user_identity_user ON user_identity (user_id);
CALL raise_user_wall('user_identity');
GRANT SELECT, INSERT, DELETE, UPDATE (email, used_at) ON user_identity TO portico_identity;

CREATE TABLE user_totp (
  user_id      uuid PRIMARY KEY REFERENCES user_login (user_id) ON DELETE CASCADE,
  sealed       bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 500),
  last_step    bigint NOT NULL DEFAULT 0,
  confirmed_at timestamptz,
  created_at   timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE user_totp IS 'The key with which a user''s authenticator app makes codes.';
COMMENT ON COLUMN user_totp.user_id IS 'The user.';
COMMENT ON COLUMN user_totp.sealed IS 'The sealed key.';
COMMENT ON COLUMN user_totp.last_step IS 'The step of 30 seconds of the last code that was used, as seconds since 1970 divided by 30. It only grows, so no code works twice.';
COMMENT ON COLUMN user_totp.confirmed_at IS 'When the user has proven to have the key. NULL: not yet, so it is no factor.';
COMMENT ON COLUMN user_totp.created_at IS 'When it was made.';
CALL raise_user_wall('user_totp');
GRANT SELECT, INSERT, UPDATE, DELETE ON user_totp TO portico_identity;

CREATE TABLE user_recovery_code (
  user_id    uuid NOT NULL REFERENCES user_login (user_id) ON DELETE CASCADE,
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  used_at    timestamptz,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (user_id, hash)
);
COMMENT ON TABLE user_recovery_code IS 'The codes that replace a second factor that was lost.';
COMMENT ON COLUMN user_recovery_code.user_id IS 'The user.';
COMMENT ON COLUMN user_recovery_code.hash IS 'SHA-256 of the code. The code has 120 random bits, so no salt is needed.';
COMMENT ON COLUMN user_recovery_code.used_at IS 'When it was used. NULL: it still works.';
COMMENT ON COLUMN user_recovery_code.created_at IS 'When it was made.';
CALL raise_user_wall('user_recovery_code');
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON user_recovery_code TO portico_identity;

CREATE TABLE user_passkey (
  id              uuid PRIMARY KEY,
  user_id         uuid NOT NULL REFERENCES user_login (user_id) ON DELETE CASCADE,
  credential_id   bytea NOT NULL UNIQUE CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
  public_key      bytea NOT NULL CHECK (octet_length(public_key) BETWEEN 1 AND 4096),
  sign_count      bigint NOT NULL CHECK (sign_count >= 0),
  aaguid          uuid NOT NULL,
  name            text NOT NULL CHECK (length(name) <= 100),
  transports      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(transports) <= 8),
  backup_eligible boolean NOT NULL DEFAULT false,
  backed_up       boolean NOT NULL DEFAULT false,
  used_at         timestamptz,
  created_at      timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE user_passkey IS 'The passkeys of users (WebAuthn).';
COMMENT ON COLUMN user_passkey.id IS 'A UUIDv7.';
COMMENT ON COLUMN user_passkey.user_id IS 'The user.';
COMMENT ON COLUMN user_passkey.credential_id IS 'The id that the authenticator gave it.';
COMMENT ON COLUMN user_passkey.public_key IS 'The public key, in COSE.';
COMMENT ON COLUMN user_passkey.sign_count IS 'The counter of the last signature. One that does not grow may be of a copy.';
COMMENT ON COLUMN user_passkey.aaguid IS 'The model of the authenticator.';
COMMENT ON COLUMN user_passkey.name IS 'Chosen by the user.';
COMMENT ON COLUMN user_passkey.transports IS 'How the browser reaches the authenticator, such as usb or internal.';
COMMENT ON COLUMN user_passkey.backup_eligible IS 'Whether the authenticator may copy it to other devices. It never changes.';
COMMENT ON COLUMN user_passkey.backed_up IS 'Whether it is copied to other devices.';
COMMENT ON COLUMN user_passkey.used_at IS 'When it was last used. NULL: never.';
COMMENT ON COLUMN user_passkey.created_at IS 'When it was enrolled.';
CREATE INDEX user_passkey_user ON user_passkey (user_id);
CALL raise_user_wall('user_passkey');
GRANT SELECT, INSERT, DELETE, UPDATE (sign_count, name, backed_up, used_at) ON user_passkey TO portico_identity;

CREATE TABLE user_event (
  user_id    uuid NOT NULL REFERENCES user_login (user_id) ON DELETE CASCADE,
  id         uuid NOT NULL,
  action     text NOT NULL CHECK (action ~ '^[a-z_]{1,40}\.[a-z_]{1,40}$'),
  method     text NOT NULL DEFAULT '' CHECK (length(method) <= 40),
  detail     text NOT NULL DEFAULT '' CHECK (length(detail) <= 500),
  source_ip  inet,
  user_agent text NOT NULL DEFAULT '' CHECK (length(user_agent) <= 500),
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (user_id, id)
);
COMMENT ON TABLE user_event IS 'What happened to a user''s account: the history that the user sees. A row is never changed, and goes only with the user''s row in user_login.';
COMMENT ON COLUMN user_event.user_id IS 'The user.';
COMMENT ON COLUMN user_event.id IS 'Shown as uev_…. Ids sort by time.';
COMMENT ON COLUMN user_event.action IS 'What was done: <noun>.<verb>, such as user.change_password.';
COMMENT ON COLUMN user_event.method IS 'By which means, such as password or totp. Empty: by none.';
COMMENT ON COLUMN user_event.detail IS 'More of it for people, such as the name of a passkey.';
COMMENT ON COLUMN user_event.source_ip IS 'The address from which the request came. NULL: unknown.';
COMMENT ON COLUMN user_event.user_agent IS 'The header User-Agent, the first 500 characters.';
COMMENT ON COLUMN user_event.created_at IS 'When it was done.';
CALL raise_user_wall('user_event');
GRANT SELECT, INSERT ON user_event TO portico_identity;

-- keep_history prevents even portico_owner from changing the history by accident.
-- +goose StatementBegin
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM user_login WHERE user_id = OLD.user_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'rows of % can only be inserted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE ON user_event FOR EACH ROW EXECUTE FUNCTION keep_history();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON user_event EXECUTE FUNCTION keep_history();

-- find_credentials returns who signs in with an address, and the hash of the password, or
-- no row. Nobody is known yet, so it is called without a bound user.
CREATE FUNCTION find_credentials(address text)
RETURNS TABLE (user_id uuid, email text, email_verified_at timestamptz, suspended_at timestamptz, credential_version bigint, phc text, pepper_version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT l.user_id, u.email, l.email_verified_at, l.suspended_at, l.credential_version, coalesce(p.phc, ''), coalesce(p.pepper_version, 0)
  FROM user_account u JOIN user_login l ON l.user_id = u.id LEFT JOIN user_password p ON p.user_id = u.id
  WHERE lower(u.email) = lower(address)
$$;
REVOKE EXECUTE ON FUNCTION find_credentials FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_credentials TO portico_identity;

-- find_identity returns the user who has linked an account at another provider, or NULL.
CREATE FUNCTION find_identity(of_connection text, of_issuer text, of_subject text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT user_id FROM user_identity WHERE connection = of_connection AND issuer = of_issuer AND subject = of_subject
$$;
REVOKE EXECUTE ON FUNCTION find_identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_identity TO portico_identity;

-- begin_user returns the user with an address after making, where missing, the account
-- and the row in user_login. known says that somebody has proven the address before. A
-- member who was added but never signed in is the same user.
-- +goose StatementBegin
CREATE FUNCTION begin_user(address text, called text, fresh uuid, OUT id uuid, OUT known boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  id := user_of(address, called, fresh);
  INSERT INTO user_login (user_id) VALUES (id) ON CONFLICT (user_id) DO NOTHING;
  SELECT l.email_verified_at IS NOT NULL INTO known FROM user_login l WHERE l.user_id = id;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION begin_user FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_user TO portico_identity;

-- memberships_of lists the open organizations in this database of which a user is a
-- member, the oldest membership first. Signing in asks every database.
CREATE POLICY lookup ON member FOR SELECT TO portico_owner USING (true);
CREATE FUNCTION memberships_of(wanted uuid, at_most integer) RETURNS TABLE (org_id uuid, org_name text, member_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.name, m.id FROM member m JOIN organization o ON o.id = m.org_id
  WHERE m.user_id = wanted AND o.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving'))
  ORDER BY m.created_at, m.id LIMIT at_most
$$;
REVOKE EXECUTE ON FUNCTION memberships_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of TO portico_app;

-- check_membership raises an error unless a user is a member of the bound organization.
-- For an organization in another database, Go has checked it there and binds the platform.
-- +goose StatementBegin
CREATE FUNCTION check_membership(wanted uuid) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF app_org() <> '00000000-0000-0000-0000-000000000000'
    AND NOT EXISTS (SELECT FROM member WHERE org_id = app_org() AND user_id = wanted) THEN
    RAISE EXCEPTION 'user % is not a member of the bound organization', wanted USING ERRCODE = '42501';
  END IF;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION check_membership FROM PUBLIC;

-- factors_of says how a member of the bound organization signs in, without any secret. It
-- returns no row for a user who has never begun to.
-- +goose StatementBegin
CREATE FUNCTION factors_of(wanted uuid)
RETURNS TABLE (email_verified boolean, password boolean, totp boolean, passkeys bigint, recovery_codes bigint, identities bigint, last_sign_in_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM check_membership(wanted);
  RETURN QUERY SELECT l.email_verified_at IS NOT NULL,
    EXISTS (SELECT FROM user_password p WHERE p.user_id = wanted),
    EXISTS (SELECT FROM user_totp t WHERE t.user_id = wanted AND t.confirmed_at IS NOT NULL),
    (SELECT count(*) FROM user_passkey k WHERE k.user_id = wanted),
    (SELECT count(*) FROM user_recovery_code c WHERE c.user_id = wanted AND c.used_at IS NULL),
    (SELECT count(*) FROM user_identity i WHERE i.user_id = wanted),
    l.last_sign_in_at
  FROM user_login l WHERE l.user_id = wanted;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION factors_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION factors_of TO portico_app;

-- reset_factors_of removes the second factors of a member of the bound organization, and
-- writes that into the user's history. It returns whether the user had any.
-- +goose StatementBegin
CREATE FUNCTION reset_factors_of(wanted uuid, event uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE removed integer;
BEGIN
  PERFORM check_membership(wanted);
  PERFORM FROM user_login WHERE user_id = wanted FOR UPDATE;
  WITH totp AS (DELETE FROM user_totp WHERE user_id = wanted RETURNING 1),
    passkey AS (DELETE FROM user_passkey WHERE user_id = wanted RETURNING 1),
    code AS (DELETE FROM user_recovery_code WHERE user_id = wanted RETURNING 1)
  SELECT count(*) INTO removed FROM (TABLE totp UNION ALL TABLE passkey UNION ALL TABLE code) AS gone;
  IF removed = 0 THEN
    RETURN false;
  END IF;
  UPDATE user_login SET credential_version = credential_version + 1 WHERE user_id = wanted;
  INSERT INTO user_event (user_id, id, action) VALUES (wanted, event, 'factor.reset');
  RETURN true;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION reset_factors_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reset_factors_of TO portico_app;
