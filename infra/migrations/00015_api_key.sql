-- +goose Up
-- What a customer sees of a key, and what bounds it. allowed_ips are prefixes
-- in CIDR notation; none: any address. replaced_by is the key of a rotation.
ALTER TABLE api_key
  ADD key_start   text NOT NULL DEFAULT '',
  ADD allowed_ips text[] NOT NULL DEFAULT '{}',
  ADD replaced_by uuid;

-- A projection that was lost is found again by the key's hash, before its
-- organization is known. The function tells the organization and nothing else:
-- the row itself is then read from behind the wall. The policy opens it to
-- portico_owner, which cannot log in.
CREATE INDEX api_key_hash ON api_key (hash);
CREATE POLICY lookup ON api_key FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION api_key_org(wanted bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT org_id FROM api_key WHERE hash = wanted
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION api_key_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_org TO portico_app;

-- The keys of the company's own staff: each acts on whatever organization a
-- request names, so it belongs to none and stands outside the wall.
CREATE TABLE staff_key (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
GRANT SELECT, INSERT, UPDATE (revoked_at) ON staff_key TO portico_app;
