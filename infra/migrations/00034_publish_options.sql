-- +goose Up
-- What a publisher may say of an event besides its data. The columns are NULL for most.
ALTER TABLE webhook_delivery ADD expires_at timestamptz;
COMMENT ON COLUMN webhook_delivery.expires_at IS 'From when on no try is made: the publisher said so. NULL: there is no such time, or it was redelivered.';
COMMENT ON COLUMN webhook_delivery.expired IS
  'Whether it failed before its tries were used up: it was held until its event was older than the retention, or expires_at came.';
GRANT UPDATE (expires_at) ON webhook_delivery TO portico_app;

ALTER TABLE event ADD test_endpoint_id uuid;
COMMENT ON COLUMN event.test_endpoint_id IS 'The only endpoint that gets it: the event is a test of it. NULL: it is no test.';

CREATE TABLE event_external_id (
  org_id      uuid NOT NULL REFERENCES organization (id),
  external_id text NOT NULL CHECK (char_length(external_id) <= 255),
  event_id    uuid NOT NULL,
  digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
  PRIMARY KEY (org_id, external_id)
);
COMMENT ON TABLE event_external_id IS
  'The publishers'' own ids of events. Publishing one again returns the first event. It has no foreign key, because events are dropped by partitions; a row without its event counts as absent.';
COMMENT ON COLUMN event_external_id.org_id IS 'The organization that published it.';
COMMENT ON COLUMN event_external_id.external_id IS 'The id that the publisher sent.';
COMMENT ON COLUMN event_external_id.event_id IS 'The event.';
COMMENT ON COLUMN event_external_id.digest IS 'SHA-256 of its type, ordering key and data: another event with the same id is refused.';
-- Events show their external ids; the upkeep removes those of dropped partitions.
CREATE INDEX event_external_id_event ON event_external_id (event_id);
CALL raise_wall('event_external_id');
GRANT SELECT, INSERT, UPDATE (event_id, digest) ON event_external_id TO portico_app;
CALL open_to_worker('event_external_id', 'SELECT, DELETE');
