-- +goose Up
-- The host names of an organization. Whom a name belongs to is decided in
-- DynamoDB, once for all databases: shared/domain/hosts.go. So several
-- organizations may have the same name here, of whom one at most holds it.
CREATE TABLE domain (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,  -- as DNS has it: lower case, punycode
  token       text NOT NULL,  -- what the TXT record shows; of this row only
  verified_at timestamptz,    -- NULL: pending
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, name)
);
CALL raise_wall('domain');
GRANT SELECT, INSERT, DELETE, UPDATE (verified_at) ON domain TO portico_app;
