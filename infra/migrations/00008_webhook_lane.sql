-- +goose Up
-- How an endpoint may be served now: the state that claims read and results
-- write, apart from the endpoint's row, which publishes read. Healthy endpoints
-- without a rate limit never write it.
CREATE TABLE webhook_lane (
  org_id        uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  -- Failed tries since the last success; zero and NULL when there are none.
  failures      integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  -- The circuit breaker: NULL is closed. Before this time nothing is claimed,
  -- after it one delivery at a time, as a probe.
  open_until    timestamptz,
  openings      smallint NOT NULL DEFAULT 0,  -- in a row
  -- That it fails has been told by an operational event.
  told          boolean NOT NULL DEFAULT false,
  -- The rate limit: the theoretical arrival time of the generic cell rate algorithm.
  next_slot     timestamptz,
  PRIMARY KEY (org_id, endpoint_id),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
) WITH (fillfactor = 50);
-- The wall stands before the owner, too: it sees no row until it steps aside.
ALTER TABLE webhook_endpoint NO FORCE ROW LEVEL SECURITY;
INSERT INTO webhook_lane (org_id, endpoint_id) SELECT org_id, id FROM webhook_endpoint;
CALL raise_wall('webhook_lane');
GRANT SELECT, INSERT, UPDATE ON webhook_lane TO portico_app;
CALL open_to_worker('webhook_lane', 'SELECT, UPDATE');

ALTER TABLE webhook_endpoint
  ADD rate_limit      integer CHECK (rate_limit BETWEEN 1 AND 10000),  -- deliveries per second; NULL: no limit
  ADD disabled_at     timestamptz,
  ADD disabled_reason text CHECK (disabled_reason IN ('requested', 'gone', 'failing')),
  -- Enabling may drop what was held: what is unfinished of older events fails.
  ADD dropped_before  uuid;
UPDATE webhook_endpoint SET disabled_at = updated_at, disabled_reason = 'requested' WHERE status = 'disabled';
ALTER TABLE webhook_endpoint
  ADD CHECK ((status = 'disabled') = (disabled_at IS NOT NULL)),
  ADD CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
  FORCE ROW LEVEL SECURITY;
GRANT UPDATE (status, disabled_at, disabled_reason, updated_at) ON webhook_endpoint TO portico_worker;

-- When anything is due next is asked endpoint by endpoint, because breakers and
-- limits decide it too.
DROP INDEX webhook_delivery_due;

-- Operational events are published by the dispatcher.
GRANT INSERT ON event, webhook_delivery TO portico_worker;
