-- +goose Up
-- The Ed25519 pair from before the last rotation, which signs too until it
-- expires. A sealed key is bound to its endpoint and not to its column, so a
-- rotation moves it as it is.
ALTER TABLE webhook_endpoint
  ADD old_public_key     bytea CHECK (octet_length(old_public_key) = 32),
  ADD old_sealed_key     bytea,
  ADD old_key_expires_at timestamptz,
  ADD CHECK ((old_public_key IS NULL) = (old_sealed_key IS NULL)),
  ADD CHECK ((old_public_key IS NULL) = (old_key_expires_at IS NULL));
