-- +goose Up
-- Events and their deliveries. make_partitions makes the partitions of event,
-- webhook_delivery and webhook_attempt.

CREATE TABLE event (
  org_id       uuid NOT NULL,
  id           uuid NOT NULL,
  created_at   timestamptz NOT NULL,
  seq          bigint,
  type         text NOT NULL,
  ordering_key text,
  published_by text,
  payload      bytea NOT NULL,
  PRIMARY KEY (org_id, id)
) PARTITION BY RANGE (id);
COMMENT ON TABLE event IS
  'The published events. The row itself records who published it, so a publish writes no audit entry. One partition per month.';
COMMENT ON COLUMN event.org_id IS 'The organization that published it.';
COMMENT ON COLUMN event.id IS 'Shown as evt_…. It starts with the millisecond of created_at, which decides the partition.';
COMMENT ON COLUMN event.created_at IS 'When it was published. The events of a batch are a microsecond apart, in their order.';
COMMENT ON COLUMN event.seq IS 'Its place among the events with its ordering key, from 1. NULL: it has no ordering key.';
COMMENT ON COLUMN event.type IS 'Such as invoice.paid; endpoints subscribe to types.';
COMMENT ON COLUMN event.ordering_key IS 'Events with the same key reach ordered endpoints in the order of seq. NULL: in any order.';
COMMENT ON COLUMN event.published_by IS 'Who published it, in the form of audit_entry.actor_id. NULL: Portico itself.';
COMMENT ON COLUMN event.payload IS 'The body as it is sent, byte for byte.';
CALL raise_wall('event');
GRANT SELECT, INSERT ON event TO portico_app;
-- The dispatcher publishes operational events.
CALL open_to_worker('event', 'SELECT, INSERT');

CREATE TABLE ordering_key (
  org_id   uuid NOT NULL REFERENCES organization (id),
  key      text NOT NULL,
  last_seq bigint NOT NULL,
  PRIMARY KEY (org_id, key)
);
COMMENT ON TABLE ordering_key IS
  'The last seq of an ordering key. The publish transaction locks this row, so seq follows the order of commits; ids and times do not.';
COMMENT ON COLUMN ordering_key.org_id IS 'The organization that publishes with the key.';
COMMENT ON COLUMN ordering_key.key IS 'The key that the publisher sent.';
COMMENT ON COLUMN ordering_key.last_seq IS 'The seq of the last event with the key.';
CALL raise_wall('ordering_key');
GRANT SELECT, INSERT, UPDATE ON ordering_key TO portico_app;
-- Results of ordered deliveries lock their key's row, as publishes do.
CALL open_to_worker('ordering_key', 'SELECT');
GRANT UPDATE (last_seq) ON ordering_key TO portico_worker;

CREATE TABLE webhook_endpoint (
  org_id                 uuid NOT NULL REFERENCES organization (id),
  id                     uuid NOT NULL,
  url                    text NOT NULL,
  description            text NOT NULL DEFAULT '',
  metadata               jsonb NOT NULL DEFAULT '{}',
  event_types            text[] NOT NULL,
  filter                 text NOT NULL DEFAULT '' CHECK (char_length(filter) <= 1024),
  ordered                boolean NOT NULL DEFAULT false,
  exhaustion_policy      text NOT NULL DEFAULT 'pause' CHECK (exhaustion_policy IN ('pause', 'skip')),
  retry_policy           text NOT NULL DEFAULT 'default' CHECK (retry_policy IN ('default', 'fast', 'best_effort', 'custom')),
  retry_schedule         integer[] NOT NULL DEFAULT '{}',
  timeout_seconds        smallint NOT NULL DEFAULT 10 CHECK (timeout_seconds BETWEEN 1 AND 30),
  rate_limit             integer CHECK (rate_limit BETWEEN 1 AND 10000),
  header_names           text[] NOT NULL DEFAULT '{}',
  sealed_headers         bytea,
  signature_scheme       text NOT NULL DEFAULT 'portico' CHECK (signature_scheme IN ('portico', 'standard', 'standard_asymmetric')),
  public_key             bytea CHECK (octet_length(public_key) = 32),
  sealed_key             bytea,
  old_public_key         bytea CHECK (octet_length(old_public_key) = 32),
  old_sealed_key         bytea,
  old_key_expires_at     timestamptz,
  client_certificate     bytea,
  sealed_client_key      bytea,
  certificate_expires_at timestamptz,
  certificate_told_at    timestamptz,
  status                 text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
  disabled_at            timestamptz,
  disabled_reason        text CHECK (disabled_reason IN ('requested', 'gone', 'failing')),
  dropped_before         uuid,
  created_at             timestamptz NOT NULL DEFAULT portico_now(),
  updated_at             timestamptz NOT NULL DEFAULT portico_now(),
  deleted_at             timestamptz,
  PRIMARY KEY (org_id, id),
  CHECK ((retry_policy = 'custom') = (cardinality(retry_schedule) > 0)),
  CHECK ((public_key IS NULL) = (sealed_key IS NULL)),
  CHECK (signature_scheme <> 'standard_asymmetric' OR public_key IS NOT NULL),
  CHECK ((status = 'disabled') = (disabled_at IS NOT NULL)),
  CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
  CHECK ((client_certificate IS NULL) = (sealed_client_key IS NULL)),
  CHECK ((client_certificate IS NULL) = (certificate_expires_at IS NULL)),
  CHECK ((old_public_key IS NULL) = (old_sealed_key IS NULL)),
  CHECK ((old_public_key IS NULL) = (old_key_expires_at IS NULL))
);
COMMENT ON TABLE webhook_endpoint IS
  'Where an organization receives its events, which of them, and how they are sent. The defaults are the options that a new endpoint has; '
  'shared/webhook/options.go has the rules. Publishes read the row, so claims and results write to another table: webhook_lane.';
COMMENT ON COLUMN webhook_endpoint.org_id IS 'The organization that it belongs to.';
COMMENT ON COLUMN webhook_endpoint.id IS 'Shown as we_….';
COMMENT ON COLUMN webhook_endpoint.url IS 'The URL to which events are sent.';
COMMENT ON COLUMN webhook_endpoint.description IS 'For people; may be empty.';
COMMENT ON COLUMN webhook_endpoint.metadata IS 'The customer''s own data about it: texts by name.';
COMMENT ON COLUMN webhook_endpoint.event_types IS 'The event types that it subscribes to. * stands for all.';
COMMENT ON COLUMN webhook_endpoint.filter IS
  'An expression that selects from the events that it subscribes to; empty: all. shared/webhook/filter/rules.go has the rules.';
COMMENT ON COLUMN webhook_endpoint.ordered IS 'Whether events with the same ordering key arrive one after the other.';
COMMENT ON COLUMN webhook_endpoint.exhaustion_policy IS 'What happens to an ordering key when a delivery has failed permanently. pause: the key waits until it is resumed. skip: the next one is sent.';
COMMENT ON COLUMN webhook_endpoint.retry_policy IS 'The name of a schedule in shared/webhook/options.go; custom: the schedule is retry_schedule.';
COMMENT ON COLUMN webhook_endpoint.retry_schedule IS 'Seconds to wait after each failed try; only with the policy custom.';
COMMENT ON COLUMN webhook_endpoint.timeout_seconds IS 'How many seconds a try may take, including reading the response.';
COMMENT ON COLUMN webhook_endpoint.rate_limit IS 'Deliveries per second. NULL: no limit.';
COMMENT ON COLUMN webhook_endpoint.header_names IS 'The names in sealed_headers, so that they can be shown without opening the values.';
COMMENT ON COLUMN webhook_endpoint.sealed_headers IS 'Headers that are sent along, as one JSON object. It is sealed, because the values may be secret. NULL: none.';
COMMENT ON COLUMN webhook_endpoint.signature_scheme IS 'How deliveries are signed: shared/webhook/signing/scheme.go.';
COMMENT ON COLUMN webhook_endpoint.public_key IS 'The Ed25519 public key, created when standard_asymmetric is first set and then kept. NULL: it was never set.';
COMMENT ON COLUMN webhook_endpoint.sealed_key IS 'The private key of public_key. It is sealed for this endpoint and not for this column, so that a rotation can copy it to old_sealed_key.';
COMMENT ON COLUMN webhook_endpoint.old_public_key IS 'The public key from before the last rotation. NULL: there is none.';
COMMENT ON COLUMN webhook_endpoint.old_sealed_key IS 'The private key of old_public_key, sealed.';
COMMENT ON COLUMN webhook_endpoint.old_key_expires_at IS 'Until when the old key signs, too.';
COMMENT ON COLUMN webhook_endpoint.client_certificate IS 'The certificate chain for servers that require a client certificate: DER, the leaf first. NULL: none.';
COMMENT ON COLUMN webhook_endpoint.sealed_client_key IS 'The private key of the client certificate, sealed.';
COMMENT ON COLUMN webhook_endpoint.certificate_expires_at IS 'When the leaf of the client certificate expires.';
COMMENT ON COLUMN webhook_endpoint.certificate_told_at IS 'When the upkeep last told the owner that the client certificate expires. shared/webhook/expiry.go says when it tells again.';
COMMENT ON COLUMN webhook_endpoint.status IS 'While it is disabled, its deliveries are held.';
COMMENT ON COLUMN webhook_endpoint.disabled_at IS 'When it was disabled. NULL: it is enabled.';
COMMENT ON COLUMN webhook_endpoint.disabled_reason IS 'requested: by the owner. gone: the receiver answered 410. failing: every try failed for days. NULL: it is enabled.';
COMMENT ON COLUMN webhook_endpoint.dropped_before IS 'Enabling can drop held deliveries: unfinished deliveries of events with lower ids fail. NULL: none were dropped.';
COMMENT ON COLUMN webhook_endpoint.created_at IS 'When it was made.';
COMMENT ON COLUMN webhook_endpoint.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN webhook_endpoint.deleted_at IS 'When it was deleted. The row stays, because deliveries name their endpoint without a foreign key. NULL: it is in use.';
CREATE INDEX webhook_endpoint_certificate ON webhook_endpoint (certificate_expires_at) WHERE certificate_expires_at IS NOT NULL;
CALL raise_wall('webhook_endpoint');
GRANT SELECT, INSERT, UPDATE ON webhook_endpoint TO portico_app;
CALL open_to_worker('webhook_endpoint', 'SELECT');
GRANT UPDATE (status, disabled_at, disabled_reason, updated_at, certificate_told_at) ON webhook_endpoint TO portico_worker;

CREATE TABLE webhook_secret (
  org_id      uuid NOT NULL,
  id          uuid NOT NULL,
  endpoint_id uuid NOT NULL,
  sealed      bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  expires_at  timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
);
COMMENT ON TABLE webhook_secret IS 'The signing secrets of an endpoint: the current one, and during a rotation the old one.';
COMMENT ON COLUMN webhook_secret.org_id IS 'The organization of the endpoint.';
COMMENT ON COLUMN webhook_secret.id IS 'Shown as whs_….';
COMMENT ON COLUMN webhook_secret.endpoint_id IS 'The endpoint whose deliveries it signs.';
COMMENT ON COLUMN webhook_secret.sealed IS 'The secret, sealed.';
COMMENT ON COLUMN webhook_secret.created_at IS 'When it was made.';
COMMENT ON COLUMN webhook_secret.expires_at IS 'During a rotation the old secret signs, too, until this time. NULL: it is the current one.';
CREATE INDEX webhook_secret_endpoint ON webhook_secret (org_id, endpoint_id);
CALL raise_wall('webhook_secret');
-- A rotation sets when the old secret expires; nothing else in a row can change.
GRANT SELECT, INSERT, UPDATE (expires_at) ON webhook_secret TO portico_app;
CALL open_to_worker('webhook_secret', 'SELECT');

CREATE TABLE webhook_lane (
  org_id           uuid NOT NULL,
  endpoint_id      uuid NOT NULL,
  failures         integer NOT NULL DEFAULT 0,
  failing_since    timestamptz,
  open_until       timestamptz,
  openings         smallint NOT NULL DEFAULT 0,
  told             boolean NOT NULL DEFAULT false,
  next_slot        timestamptz,
  last_failed_at   timestamptz,
  last_error       text,
  last_status_code smallint,
  PRIMARY KEY (org_id, endpoint_id),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
) WITH (fillfactor = 50);
COMMENT ON TABLE webhook_lane IS
  'The state of an endpoint that claims read and results write: breaker and rate limit. It is not written while an endpoint without a rate limit is healthy.';
COMMENT ON COLUMN webhook_lane.org_id IS 'The organization of the endpoint.';
COMMENT ON COLUMN webhook_lane.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN webhook_lane.failures IS 'Failed tries since the last success.';
COMMENT ON COLUMN webhook_lane.failing_since IS 'When the first of these was made. NULL: there are none.';
COMMENT ON COLUMN webhook_lane.open_until IS 'The circuit breaker. Before this time nothing is claimed; after it, one delivery at a time, the probe. NULL: the breaker is closed.';
COMMENT ON COLUMN webhook_lane.openings IS 'How often the breaker has opened in a row; each time it stays open longer.';
COMMENT ON COLUMN webhook_lane.told IS 'Whether an operational event has reported that the endpoint fails.';
COMMENT ON COLUMN webhook_lane.next_slot IS 'The rate limit: the theoretical arrival time of the generic cell rate algorithm. NULL: nothing was sent under a limit yet.';
COMMENT ON COLUMN webhook_lane.last_failed_at IS 'When the last failed try was made. It stays after a success, for diagnosis. NULL: no try failed.';
COMMENT ON COLUMN webhook_lane.last_error IS 'Why that try failed.';
COMMENT ON COLUMN webhook_lane.last_status_code IS 'The HTTP status of its response. NULL: no response.';
CALL raise_wall('webhook_lane');
GRANT SELECT, INSERT, UPDATE ON webhook_lane TO portico_app;
CALL open_to_worker('webhook_lane', 'SELECT, UPDATE');

CREATE TABLE webhook_delivery (
  org_id        uuid NOT NULL,
  event_id      uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  id            uuid NOT NULL,
  next_retry_at timestamptz,
  completed_at  timestamptz,
  lease         uuid,
  seq           bigint,
  attempts      smallint NOT NULL DEFAULT 0,
  expired       boolean NOT NULL DEFAULT false,
  status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
  ordering_key  text,
  PRIMARY KEY (org_id, event_id, endpoint_id),
  CHECK ((status = 'pending') = (next_retry_at IS NOT NULL))
) PARTITION BY RANGE (event_id);
COMMENT ON TABLE webhook_delivery IS
  'One event for one endpoint: the queue and the state of every delivery, in narrow rows. Columns of fixed width come first, which saves space. '
  'One partition per quarter, because a claim searches every partition.';
COMMENT ON COLUMN webhook_delivery.org_id IS 'The organization of the event.';
COMMENT ON COLUMN webhook_delivery.event_id IS 'The event. It decides the partition.';
COMMENT ON COLUMN webhook_delivery.endpoint_id IS 'The endpoint. The row of a deleted endpoint is kept.';
COMMENT ON COLUMN webhook_delivery.id IS 'Shown as dlv_…. It contains the millisecond of its event, so no index of its own is needed to find it.';
COMMENT ON COLUMN webhook_delivery.next_retry_at IS
  'When it may be claimed; while it is leased, when the lease ends. So one index finds both the due deliveries and those whose dispatcher died. '
  'infinity: it waits for earlier ones with the same ordering key. NULL: it is finished.';
COMMENT ON COLUMN webhook_delivery.completed_at IS 'When it was finished. NULL: it is not finished.';
COMMENT ON COLUMN webhook_delivery.lease IS 'The token of the current claim. Every later write must have it. NULL: it was not claimed since its last try.';
COMMENT ON COLUMN webhook_delivery.seq IS 'The seq of the event in its ordering key. NULL: it has no ordering key.';
COMMENT ON COLUMN webhook_delivery.attempts IS 'How many tries were made.';
COMMENT ON COLUMN webhook_delivery.expired IS 'Whether it failed without a try, because it was held until its event was older than the retention.';
COMMENT ON COLUMN webhook_delivery.status IS 'pending until it is delivered or has failed permanently. While its endpoint is disabled, a pending one is shown as held.';
COMMENT ON COLUMN webhook_delivery.ordering_key IS
  'The ordering key, if the endpoint is ordered. Only the head of a key, the lowest unfinished seq, can be due. NULL: it waits for no other delivery.';
-- A claim serves endpoints in turn. In this index it finds the due deliveries of
-- an endpoint, and the next endpoint that has any.
CREATE INDEX webhook_delivery_lane ON webhook_delivery (org_id, endpoint_id, next_retry_at) WHERE status = 'pending';
CREATE INDEX webhook_delivery_order ON webhook_delivery (org_id, endpoint_id, ordering_key, seq)
  WHERE status = 'pending' AND ordering_key IS NOT NULL;
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (org_id, endpoint_id, event_id);
CALL raise_wall('webhook_delivery');
-- Resuming a key makes its head due.
GRANT SELECT, INSERT, UPDATE (next_retry_at) ON webhook_delivery TO portico_app;
CALL open_to_worker('webhook_delivery', 'SELECT, INSERT, UPDATE');

CREATE TABLE webhook_attempt (
  org_id        uuid NOT NULL,
  event_id      uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  started_at    timestamptz NOT NULL,
  latency       integer NOT NULL,
  number        smallint NOT NULL,
  status_code   smallint,
  error         text,
  response_body bytea NOT NULL,
  PRIMARY KEY (org_id, event_id, endpoint_id, number)
) PARTITION BY RANGE (event_id);
COMMENT ON TABLE webhook_attempt IS 'The log of deliveries: one row per try. One partition per month.';
COMMENT ON COLUMN webhook_attempt.org_id IS 'The organization of the delivery.';
COMMENT ON COLUMN webhook_attempt.event_id IS 'The event. It decides the partition.';
COMMENT ON COLUMN webhook_attempt.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN webhook_attempt.started_at IS 'When the try began.';
COMMENT ON COLUMN webhook_attempt.latency IS 'Microseconds until the response was read or the try was given up.';
COMMENT ON COLUMN webhook_attempt.number IS 'Counts the tries of the delivery, from 1.';
COMMENT ON COLUMN webhook_attempt.status_code IS 'The HTTP status of the response. NULL: no response.';
COMMENT ON COLUMN webhook_attempt.error IS 'Why it failed. NULL: success.';
COMMENT ON COLUMN webhook_attempt.response_body IS 'The first bytes of the response.';
CALL raise_wall('webhook_attempt');
GRANT SELECT ON webhook_attempt TO portico_app;
CALL open_to_worker('webhook_attempt', 'SELECT, INSERT');

CREATE TABLE webhook_paused_key (
  org_id       uuid NOT NULL,
  endpoint_id  uuid NOT NULL,
  ordering_key text NOT NULL,
  event_id     uuid NOT NULL,
  paused_at    timestamptz NOT NULL,
  PRIMARY KEY (org_id, endpoint_id, ordering_key),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id)
);
COMMENT ON TABLE webhook_paused_key IS 'Ordering keys that are paused, because their head has failed permanently. Resuming deletes the row.';
COMMENT ON COLUMN webhook_paused_key.org_id IS 'The organization of the endpoint.';
COMMENT ON COLUMN webhook_paused_key.endpoint_id IS 'The endpoint at which the key waits.';
COMMENT ON COLUMN webhook_paused_key.ordering_key IS 'The key.';
COMMENT ON COLUMN webhook_paused_key.event_id IS 'The event of the delivery that failed.';
COMMENT ON COLUMN webhook_paused_key.paused_at IS 'When that delivery failed.';
CALL raise_wall('webhook_paused_key');
GRANT SELECT, DELETE ON webhook_paused_key TO portico_app;
-- The upkeep resumes the paused keys of deleted endpoints.
CALL open_to_worker('webhook_paused_key', 'SELECT, INSERT, DELETE');

CREATE UNLOGGED TABLE dispatcher (
  id          uuid PRIMARY KEY,
  awake_until timestamptz NOT NULL
);
COMMENT ON TABLE dispatcher IS 'The dispatchers that are awake. Each renews its row; the row of a killed one expires. Publishes read the table to decide whether to wake a dispatcher.';
COMMENT ON COLUMN dispatcher.id IS 'Chosen by the dispatcher when it wakes.';
COMMENT ON COLUMN dispatcher.awake_until IS 'Until when it counts as awake.';
GRANT SELECT ON dispatcher TO portico_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON dispatcher TO portico_worker;
