-- +goose Up
-- How an endpoint's deliveries are made. The defaults are the options of an
-- endpoint that names none; shared/webhook/options.go holds the rules.
ALTER TABLE webhook_endpoint
  ADD retry_policy     text NOT NULL DEFAULT 'default' CHECK (retry_policy IN ('default', 'fast', 'best_effort', 'custom')),
  ADD retry_schedule   integer[] NOT NULL DEFAULT '{}',  -- seconds to wait after each failed try
  ADD timeout_seconds  smallint NOT NULL DEFAULT 10 CHECK (timeout_seconds BETWEEN 1 AND 30),
  -- The values may be secret, so they are sealed as one JSON object with their
  -- names. The names stand beside it, so that showing them opens no secret.
  ADD header_names     text[] NOT NULL DEFAULT '{}',
  ADD sealed_headers   bytea,
  ADD metadata         jsonb NOT NULL DEFAULT '{}',
  ADD signature_scheme text NOT NULL DEFAULT 'portico' CHECK (signature_scheme IN ('portico', 'standard', 'standard_asymmetric')),
  -- The Ed25519 pair, made when standard_asymmetric is first set and then kept.
  ADD public_key       bytea CHECK (octet_length(public_key) = 32),
  ADD sealed_key       bytea,
  ADD CHECK ((retry_policy = 'custom') = (cardinality(retry_schedule) > 0)),
  ADD CHECK ((public_key IS NULL) = (sealed_key IS NULL)),
  ADD CHECK (signature_scheme <> 'standard_asymmetric' OR public_key IS NOT NULL);
