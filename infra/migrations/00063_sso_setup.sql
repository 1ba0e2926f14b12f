-- +goose Up
-- The link with which a customer's IT, who is no member, sets a connection up.
ALTER TABLE sso_connection
  ADD COLUMN setup_hash bytea CHECK (octet_length(setup_hash) = 32),
  ADD COLUMN setup_ends_at timestamptz,
  ADD CONSTRAINT sso_connection_setup CHECK ((setup_hash IS NULL) = (setup_ends_at IS NULL));
COMMENT ON COLUMN sso_connection.setup_hash IS 'SHA-256 of the secret of its set-up link; once the link was opened, that of the browser''s cookie. NULL: there is no link.';
COMMENT ON COLUMN sso_connection.setup_ends_at IS 'When link and cookie stop working. NULL: there is no link.';
