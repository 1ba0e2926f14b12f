-- +goose Up
-- A SAML provider publishes its metadata, which has its new certificate before it changes
-- its key.
ALTER TABLE sso_connection
  ADD COLUMN metadata_url text NOT NULL DEFAULT '' CHECK (length(metadata_url) <= 2000),
  ADD COLUMN metadata_read_at timestamptz,
  ADD COLUMN metadata_error text NOT NULL DEFAULT '' CHECK (length(metadata_error) <= 500);
COMMENT ON COLUMN sso_connection.metadata_url IS 'Where the SAML provider publishes its metadata, which is read once a day. Empty: it is not read.';
COMMENT ON COLUMN sso_connection.metadata_read_at IS 'When it was last read and taken. NULL: never.';
COMMENT ON COLUMN sso_connection.metadata_error IS 'Why the last try to read it has changed nothing. Empty: it has not failed.';
CREATE INDEX sso_connection_metadata ON sso_connection (id) WHERE metadata_url <> '';
