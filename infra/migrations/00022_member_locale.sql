-- +goose Up
-- Mails to members are in their own language, and tell them about webhook endpoints
-- and API keys.
ALTER TABLE member ADD COLUMN locale text NOT NULL DEFAULT '';
COMMENT ON COLUMN member.locale IS 'The language of mails to the member, such as de. Empty: that of the organization.';
GRANT UPDATE (locale) ON member TO portico_app;

ALTER TABLE webhook_lane ADD COLUMN dead integer NOT NULL DEFAULT 0;
ALTER TABLE webhook_lane ADD COLUMN dead_since timestamptz;
ALTER TABLE webhook_lane ADD COLUMN dead_told_at timestamptz;
COMMENT ON COLUMN webhook_lane.dead IS 'How many deliveries have failed for good since members last got a mail about that.';
COMMENT ON COLUMN webhook_lane.dead_since IS 'When the first of them failed. NULL: none has.';
COMMENT ON COLUMN webhook_lane.dead_told_at IS 'When members last got that mail. NULL: never.';

-- The daily job finds the organizations whose keys expire soon. It sees nothing else of
-- a key.
CREATE INDEX api_key_expires ON api_key (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE POLICY worker ON api_key FOR SELECT TO portico_worker USING (true);
GRANT SELECT (org_id, expires_at, revoked_at) ON api_key TO portico_worker;
