-- +goose Up
-- What deliveries present to a server that demands a certificate: the chain in
-- clear, DER, the leaf first; its private key sealed.
ALTER TABLE webhook_endpoint
  ADD client_certificate     bytea,
  ADD sealed_client_key      bytea,
  ADD certificate_expires_at timestamptz,  -- the leaf's
  ADD CHECK ((client_certificate IS NULL) = (sealed_client_key IS NULL)),
  ADD CHECK ((client_certificate IS NULL) = (certificate_expires_at IS NULL));
CREATE INDEX webhook_endpoint_certificate ON webhook_endpoint (certificate_expires_at) WHERE certificate_expires_at IS NOT NULL;
