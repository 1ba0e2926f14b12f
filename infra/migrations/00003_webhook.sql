-- +goose Up
CREATE TABLE webhook_endpoint (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  url         text NOT NULL,
  event_types text[] NOT NULL,
  description text NOT NULL DEFAULT '',
  status      text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  updated_at  timestamptz NOT NULL DEFAULT portico_now(),
  -- Soft: deliveries name their endpoint without a foreign key.
  deleted_at  timestamptz,
  PRIMARY KEY (org_id, id)
);
CALL raise_wall('webhook_endpoint');
GRANT SELECT, INSERT, UPDATE ON webhook_endpoint TO portico_app;
CALL open_to_worker('webhook_endpoint', 'SELECT');

CREATE TABLE webhook_secret (
  org_id      uuid NOT NULL,
  id          uuid NOT NULL,
  endpoint_id uuid NOT NULL,
  sealed      bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  -- During a rotation the old secret signs too, until it expires.
  expires_at  timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
);
CREATE INDEX webhook_secret_endpoint ON webhook_secret (org_id, endpoint_id);
CALL raise_wall('webhook_secret');
GRANT SELECT, INSERT ON webhook_secret TO portico_app;
CALL open_to_worker('webhook_secret', 'SELECT');

-- The last number given out for an ordering key. Ids and clocks do not follow
-- commit order; this row is locked by the publish transaction, so seq does.
CREATE TABLE ordering_key (
  org_id   uuid NOT NULL REFERENCES organization (id),
  key      text NOT NULL,
  last_seq bigint NOT NULL,
  PRIMARY KEY (org_id, key)
);
CALL raise_wall('ordering_key');
GRANT SELECT, INSERT, UPDATE ON ordering_key TO portico_app;

-- payload is the body as it is sent, byte for byte, once per event.
CREATE TABLE event (
  org_id       uuid NOT NULL,
  id           uuid NOT NULL,
  type         text NOT NULL,
  payload      bytea NOT NULL,
  ordering_key text,
  seq          bigint,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (org_id, id)
) PARTITION BY RANGE (id);
CALL raise_wall('event');
GRANT SELECT, INSERT ON event TO portico_app;
CALL open_to_worker('event', 'SELECT');

-- The queue and the state of every delivery, kept narrow. While a delivery is
-- leased, next_retry_at is the end of its lease: one index answers both «what
-- is due» and «whose dispatcher died». Every write after the claim is fenced by
-- lease. The id carries its event's millisecond, so it is found without an
-- index of its own.
CREATE TABLE webhook_delivery (
  org_id        uuid NOT NULL,
  event_id      uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  id            uuid NOT NULL,
  status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed', 'held')),
  attempts      smallint NOT NULL DEFAULT 0,
  next_retry_at timestamptz,
  lease         uuid,
  ordering_key  text,
  seq           bigint,
  completed_at  timestamptz,
  PRIMARY KEY (org_id, event_id, endpoint_id),
  CHECK ((status = 'pending') = (next_retry_at IS NOT NULL))
) PARTITION BY RANGE (event_id);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_retry_at) WHERE status = 'pending';
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (org_id, endpoint_id, event_id);
CALL raise_wall('webhook_delivery');
GRANT SELECT, INSERT ON webhook_delivery TO portico_app;
CALL open_to_worker('webhook_delivery', 'SELECT, UPDATE');

-- The log: one row per try.
CREATE TABLE webhook_attempt (
  org_id        uuid NOT NULL,
  event_id      uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  number        smallint NOT NULL,
  started_at    timestamptz NOT NULL,
  latency       integer NOT NULL,  -- microseconds until the response was read or given up
  status_code   smallint,          -- NULL: no response
  error         text,              -- NULL: success
  response_body bytea NOT NULL,    -- the first bytes of it
  PRIMARY KEY (org_id, event_id, endpoint_id, number)
) PARTITION BY RANGE (event_id);
CALL raise_wall('webhook_attempt');
GRANT SELECT ON webhook_attempt TO portico_app;
CALL open_to_worker('webhook_attempt', 'SELECT, INSERT');

-- A dispatcher that is awake holds a row and renews it; a killed one leaves a
-- row that runs out by itself.
CREATE UNLOGGED TABLE dispatcher (
  id          uuid PRIMARY KEY,
  awake_until timestamptz NOT NULL
);
GRANT SELECT ON dispatcher TO portico_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON dispatcher TO portico_worker;
