-- +goose Up
-- The keys with which the authorization server signs ID tokens. Only the database home has
-- rows. A key is sealed, and its public part is derived from it. Each key also carries the
-- salt of the subjects, sealed again: so the salt stays the same while keys are replaced,
-- and no row needs an old version of the sealing key for long.
CREATE TABLE signing_key (
  number      integer PRIMARY KEY CHECK (number > 0),
  sealed      bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 500),
  sealed_salt bytea NOT NULL CHECK (octet_length(sealed_salt) BETWEEN 1 AND 500),
  signs_from  timestamptz NOT NULL,
  signs_until timestamptz NOT NULL CHECK (signs_until > signs_from),
  created_at  timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE signing_key IS 'The keys that sign ID tokens. Only the database home has rows.';
COMMENT ON COLUMN signing_key.number IS 'Counts the keys. It is the primary key, so that two processes at once make one next key.';
COMMENT ON COLUMN signing_key.sealed IS 'The sealed private key (P-256, PKCS #8). The public key is derived from it.';
COMMENT ON COLUMN signing_key.sealed_salt IS 'The sealed salt from which apps'' names of people are made. Each key takes it from the key before.';
COMMENT ON COLUMN signing_key.signs_from IS 'When it begins to sign. It is published before.';
COMMENT ON COLUMN signing_key.signs_until IS 'When the next key signs. It stays published for a while.';
COMMENT ON COLUMN signing_key.created_at IS 'When it was made and published.';
ALTER TABLE signing_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_key FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON signing_key TO portico_owner USING (true) WITH CHECK (true);

-- signing_keys returns all keys, the oldest first. There are two or three.
CREATE FUNCTION signing_keys() RETURNS TABLE (number integer, sealed bytea, sealed_salt bytea, signs_from timestamptz, signs_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT number, sealed, sealed_salt, signs_from, signs_until FROM signing_key ORDER BY number
$$;
REVOKE EXECUTE ON FUNCTION signing_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION signing_keys TO portico_app;

-- add_signing_key adds the next key, unless somebody else has added one with this number, and
-- removes those that are older than the one before it.
-- +goose StatementBegin
CREATE FUNCTION add_signing_key(next integer, key bytea, salt bytea, begins timestamptz, ends timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO signing_key (number, sealed, sealed_salt, signs_from, signs_until)
  SELECT next, key, salt, begins, ends WHERE next = (SELECT coalesce(max(number), 0) + 1 FROM signing_key)
  ON CONFLICT (number) DO NOTHING;
  DELETE FROM signing_key WHERE number < (SELECT max(number) - 1 FROM signing_key);
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION add_signing_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_signing_key TO portico_app;

-- profile_of returns what an app may learn of a member of the bound organization who has let
-- it know: what the person says of themselves, at home.
-- +goose StatementBegin
CREATE FUNCTION profile_of(wanted uuid) RETURNS TABLE (name text, email text, email_verified boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM check_membership(wanted);
  RETURN QUERY SELECT u.name, u.email, l.email_verified_at IS NOT NULL
    FROM user_login l JOIN user_account u ON u.id = l.user_id WHERE l.user_id = wanted AND l.suspended_at IS NULL;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION profile_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION profile_of TO portico_app;
