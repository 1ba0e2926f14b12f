-- +goose Up
-- What the log keeps of a try. A success has no answer here, and the rest is in one
-- column, so a try of a healthy endpoint takes few bytes more.
ALTER TABLE webhook_attempt ADD answer text;
ALTER TABLE webhook_attempt ADD exchange bytea;
COMMENT ON COLUMN webhook_attempt.answer IS
  'What a failed try got: 3xx, 4xx, 5xx, timeout, dns, connection, tls or protocol. NULL: it succeeded, or is older than this column.';
COMMENT ON COLUMN webhook_attempt.exchange IS
  'Latency by its parts, address, and the headers of request and response, without secrets. shared/webhook/sending/exchange_code.go has the form. NULL: the try is older than this column.';
COMMENT ON COLUMN webhook_attempt.response_body IS 'The first 4 KiB of the response; values of custom headers are masked in it.';

ALTER TABLE webhook_delivery ADD answer text;
COMMENT ON COLUMN webhook_delivery.answer IS
  'What the last try got if it failed, as in webhook_attempt, so that lists can be filtered by it. NULL: it succeeded, there was no try, or it is older than this column.';

CREATE TABLE webhook_stat (
  org_id      uuid NOT NULL,
  endpoint_id uuid NOT NULL,
  hour        timestamptz NOT NULL,
  succeeded   bigint NOT NULL DEFAULT 0,
  failed      bigint NOT NULL DEFAULT 0,
  dead        bigint NOT NULL DEFAULT 0,
  latencies   integer[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (org_id, endpoint_id, hour)
) WITH (fillfactor = 70);
COMMENT ON TABLE webhook_stat IS
  'How many tries of an endpoint ended in an hour, and how. Dispatchers add to it every few seconds, so a killed dispatcher loses the last ones.';
COMMENT ON COLUMN webhook_stat.org_id IS 'The organization of the endpoint.';
COMMENT ON COLUMN webhook_stat.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN webhook_stat.hour IS 'The beginning of the hour in which the tries were recorded.';
COMMENT ON COLUMN webhook_stat.succeeded IS 'How many tries succeeded.';
COMMENT ON COLUMN webhook_stat.failed IS 'How many tries failed.';
COMMENT ON COLUMN webhook_stat.dead IS 'How many deliveries failed for good by their last try.';
COMMENT ON COLUMN webhook_stat.latencies IS
  'How many tries with a response took how long. Element 1 counts up to 1 ms, each next one up to 1.41 (the root of 2) times longer; the last one counts all that took longer.';
CREATE INDEX webhook_stat_hour ON webhook_stat (hour);
CALL raise_wall('webhook_stat');
GRANT SELECT ON webhook_stat TO portico_app;
CALL open_to_worker('webhook_stat', 'SELECT, INSERT, UPDATE, DELETE');
