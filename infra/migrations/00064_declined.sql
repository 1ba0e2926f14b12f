-- +goose Up
-- Who is invited may decline.
ALTER TABLE invitation
  ADD COLUMN declined boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT invitation_declined CHECK (NOT declined OR revoked_at IS NOT NULL);
COMMENT ON COLUMN invitation.declined IS 'Whether it was the invited person who ended it, at revoked_at.';
COMMENT ON COLUMN invitation.revoked_at IS 'When it was revoked, declined, or, after its end, replaced by another. NULL: it was not.';
GRANT UPDATE (declined) ON invitation TO portico_app;
