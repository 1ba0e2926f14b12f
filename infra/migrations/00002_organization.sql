-- +goose Up
CREATE TABLE organization (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT portico_now()
);
CALL raise_wall('organization', 'id');
GRANT SELECT, INSERT ON organization TO portico_app;

-- The truth about API keys; DynamoDB holds what requests read. Only the
-- SHA-256 of a key is kept: the key has 178 random bits, so no salt is needed.
CREATE TABLE api_key (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,
  hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
  permissions text[] NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  expires_at  timestamptz,
  revoked_at  timestamptz,
  PRIMARY KEY (org_id, id)
);
CALL raise_wall('api_key');
GRANT SELECT, INSERT, UPDATE ON api_key TO portico_app;

-- One row per Idempotency-Key: claimed in the transaction of the work, so a
-- failed try leaves none. reply is sealed, because some replies hold a secret.
CREATE TABLE idempotency_key (
  org_id     uuid NOT NULL REFERENCES organization (id),
  caller     text NOT NULL,
  operation  text NOT NULL,
  key        text NOT NULL,
  body_hash  bytea NOT NULL,
  reply      bytea,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, caller, operation, key)
);
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
CALL raise_wall('idempotency_key');
GRANT SELECT, INSERT, UPDATE ON idempotency_key TO portico_app;
CALL open_to_worker('idempotency_key', 'SELECT, DELETE');
