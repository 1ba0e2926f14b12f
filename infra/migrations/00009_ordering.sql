-- +goose Up
-- Deliveries to an ordered endpoint carry their ordering key, others none. Of a
-- key only the head, the lowest unfinished seq, has a time to be tried at; those
-- behind it wait at infinity until it is finished.
ALTER TABLE webhook_endpoint
  ADD ordered           boolean NOT NULL DEFAULT false,
  ADD exhaustion_policy text NOT NULL DEFAULT 'pause' CHECK (exhaustion_policy IN ('pause', 'skip'));
CREATE INDEX webhook_delivery_order ON webhook_delivery (org_id, endpoint_id, ordering_key, seq)
  WHERE status = 'pending' AND ordering_key IS NOT NULL;

-- Keys whose head has failed for good at an endpoint that then pauses.
CREATE TABLE webhook_paused_key (
  org_id       uuid NOT NULL,
  endpoint_id  uuid NOT NULL,
  ordering_key text NOT NULL,
  event_id     uuid NOT NULL,  -- of the delivery that failed
  paused_at    timestamptz NOT NULL,
  PRIMARY KEY (org_id, endpoint_id, ordering_key),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
);
CALL raise_wall('webhook_paused_key');
GRANT SELECT, DELETE ON webhook_paused_key TO portico_app;
CALL open_to_worker('webhook_paused_key', 'SELECT, INSERT');

-- Results of ordered deliveries lock their key's row, as publishes do.
CALL open_to_worker('ordering_key', 'SELECT');
GRANT UPDATE (last_seq) ON ordering_key TO portico_worker;
-- Resuming a key lets its head go.
GRANT UPDATE (next_retry_at) ON webhook_delivery TO portico_app;
