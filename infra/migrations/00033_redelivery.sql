-- +goose Up
-- Deliveries that have finished are sent again: one at a time, or many by a recovery.
-- The new columns are NULL for all others, so these rows have not grown.
ALTER TABLE webhook_delivery ADD redelivered_at timestamptz, ADD tries_before smallint;
COMMENT ON COLUMN webhook_delivery.redelivered_at IS
  'When it was last redelivered: it had finished and became due again. What was dropped or held before does not count since then. NULL: never.';
COMMENT ON COLUMN webhook_delivery.tries_before IS 'The attempts before its last redelivery, from which on it has the tries of a whole schedule. NULL: it was not redelivered.';
COMMENT ON COLUMN webhook_delivery.attempts IS 'How many tries were made, those before a redelivery too.';
COMMENT ON COLUMN webhook_delivery.ordering_key IS
  'The ordering key, if the endpoint is ordered. Only the head of a key, the lowest unfinished seq, can be due. NULL: it waits for no other delivery. A redelivery sets NULL.';
GRANT UPDATE (status, completed_at, lease, leased_until, expired, ordering_key, seq, redelivered_at, tries_before) ON webhook_delivery TO portico_app;

CREATE TABLE webhook_recovery (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  endpoint_id   uuid NOT NULL,
  job_id        uuid NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('recover', 'replay')),
  since         timestamptz NOT NULL,
  until         timestamptz NOT NULL,
  statuses      text[] NOT NULL DEFAULT '{}',
  event_types   text[] NOT NULL DEFAULT '{}',
  status        text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'cancelled')),
  last_event_id uuid NOT NULL,
  examined      bigint NOT NULL DEFAULT 0,
  deliveries    bigint NOT NULL DEFAULT 0,
  created_by    text,
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  finished_at   timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, endpoint_id) REFERENCES webhook_endpoint (org_id, id),
  CHECK (since < until),
  CHECK ((status = 'running') = (finished_at IS NULL))
);
COMMENT ON TABLE webhook_recovery IS 'What sends an endpoint many past events: again, or for the first time. A job does it in pages; each page commits with the place that it has reached.';
COMMENT ON COLUMN webhook_recovery.org_id IS 'The organization of the endpoint.';
COMMENT ON COLUMN webhook_recovery.id IS 'Shown as rec_….';
COMMENT ON COLUMN webhook_recovery.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN webhook_recovery.job_id IS 'The job that does it.';
COMMENT ON COLUMN webhook_recovery.kind IS 'recover: deliveries that have finished are redelivered. replay: deliveries are made for events of which the endpoint has none.';
COMMENT ON COLUMN webhook_recovery.since IS 'Only events that were published at this time or later.';
COMMENT ON COLUMN webhook_recovery.until IS 'Only events that were published before this time. It is never later than created_at.';
COMMENT ON COLUMN webhook_recovery.statuses IS 'Of a recover: which deliveries, by their status.';
COMMENT ON COLUMN webhook_recovery.event_types IS 'Of a replay: which types or prefixes. Empty: all to which the endpoint subscribes.';
COMMENT ON COLUMN webhook_recovery.status IS 'running until it has come to its end or was cancelled. An endpoint has one that is running at most.';
COMMENT ON COLUMN webhook_recovery.last_event_id IS 'All events up to this id are done. At first it is below the first event.';
COMMENT ON COLUMN webhook_recovery.examined IS 'How many deliveries or events were looked at.';
COMMENT ON COLUMN webhook_recovery.deliveries IS 'How many deliveries were redelivered or made.';
COMMENT ON COLUMN webhook_recovery.created_by IS 'Who asked for it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN webhook_recovery.created_at IS 'When it was asked for.';
COMMENT ON COLUMN webhook_recovery.finished_at IS 'When it ended. NULL: it has not.';
CREATE UNIQUE INDEX webhook_recovery_running ON webhook_recovery (org_id, endpoint_id) WHERE status = 'running';
CREATE INDEX webhook_recovery_endpoint ON webhook_recovery (org_id, endpoint_id, id);
CALL raise_wall('webhook_recovery');
GRANT SELECT, INSERT, UPDATE (status, last_event_id, examined, deliveries, finished_at) ON webhook_recovery TO portico_app;
-- The upkeep removes those that ended long ago.
CALL open_to_worker('webhook_recovery', 'SELECT, DELETE');
