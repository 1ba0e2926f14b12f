-- +goose Up
-- An event can be expunged: its row stays as a stub without what the customer sent.
ALTER TABLE event ADD expunged_at timestamptz;
COMMENT ON COLUMN event.expunged_at IS
  'When it was expunged: since then payload has null as its data, there is no ordering key, and it is not sent. NULL: it was not.';
COMMENT ON COLUMN event.ordering_key IS
  'Events with the same key reach ordered endpoints in the order of seq. NULL: in any order, or the event was expunged.';
COMMENT ON COLUMN webhook_delivery.ordering_key IS
  'The ordering key, if the endpoint is ordered. Only the head of a key, the lowest unfinished seq, can be due. NULL: it waits for no other delivery. A redelivery and an expunged event set NULL.';
COMMENT ON COLUMN webhook_attempt.exchange IS
  'Latency by its parts, address, and the headers of request and response, without secrets. shared/webhook/sending/exchange_code.go has the form. NULL: the try is older than this column, or its event was expunged.';
COMMENT ON COLUMN webhook_attempt.response_body IS
  'The first 4 KiB of the response; values of custom headers are masked in it. Empty if the event was expunged.';
GRANT UPDATE (payload, ordering_key, expunged_at) ON event TO portico_app;
GRANT UPDATE (error, response_body, exchange) ON webhook_attempt TO portico_app;
GRANT DELETE ON event_external_id TO portico_app;
