-- +goose Up
-- Owners are told before the last certificate of a connection ends.
ALTER TABLE sso_connection ADD COLUMN certificates_told_at timestamptz;
COMMENT ON COLUMN sso_connection.certificates_told_at IS 'When members were last told that the certificates end. NULL: never.';
CREATE INDEX sso_connection_certificates ON sso_connection (certificates_end_at) WHERE status = 'active' AND certificates_end_at IS NOT NULL;
CALL open_to_worker('sso_connection', 'SELECT');
