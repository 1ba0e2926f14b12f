-- +goose Up
-- A user's address changes at home first; then a job copies it to the other databases in
-- which the user is a member.
COMMENT ON COLUMN mail.org_id IS 'The organization for which it is sent; zeros: it is about a user''s own account.';

-- address_of returns, at home, the address of a user who can sign in, and the credential
-- version, which says whether a change has been committed.
CREATE FUNCTION address_of(wanted uuid, OUT address text, OUT version bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.email, l.credential_version FROM user_account u JOIN user_login l ON l.user_id = u.id WHERE u.id = wanted
$$;
REVOKE EXECUTE ON FUNCTION address_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION address_of TO portico_app;

-- copy_address gives a user the address that the user has at home. It is for the other
-- databases: where the user has a login it changes nothing.
CREATE FUNCTION copy_address(wanted uuid, address text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE user_account SET email = address
  WHERE id = wanted AND email <> address AND NOT EXISTS (SELECT FROM user_login WHERE user_id = wanted)
$$;
REVOKE EXECUTE ON FUNCTION copy_address FROM PUBLIC;
GRANT EXECUTE ON FUNCTION copy_address TO portico_app;
