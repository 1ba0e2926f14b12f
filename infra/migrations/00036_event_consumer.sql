-- +goose Up
-- Consumers read events through GET /v1/event-stream instead of receiving them at
-- an endpoint.
CREATE TABLE event_consumer (
  org_id                uuid NOT NULL REFERENCES organization (id),
  id                    uuid NOT NULL,
  name                  text NOT NULL,
  description           text NOT NULL DEFAULT '',
  event_types           text[] NOT NULL,
  filter                text NOT NULL DEFAULT '' CHECK (char_length(filter) <= 1024),
  dead_letters_of       uuid,
  sealed_secret         bytea NOT NULL,
  old_sealed_secret     bytea,
  old_secret_expires_at timestamptz,
  created_at            timestamptz NOT NULL DEFAULT portico_now(),
  updated_at            timestamptz NOT NULL DEFAULT portico_now(),
  deleted_at            timestamptz,
  revision              bigint NOT NULL DEFAULT 1 + floor(random() * 1000000)::bigint,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, dead_letters_of) REFERENCES webhook_endpoint (org_id, id),
  CHECK ((dead_letters_of IS NULL) = (cardinality(event_types) > 0)),
  CHECK ((old_sealed_secret IS NULL) = (old_secret_expires_at IS NULL))
);
COMMENT ON TABLE event_consumer IS
  'Programs that read an organization''s events through the event stream. Publishes read the row, so reading the stream writes to another table: event_consumer_progress.';
COMMENT ON COLUMN event_consumer.org_id IS 'The organization whose events it reads.';
COMMENT ON COLUMN event_consumer.id IS 'Shown as ec_….';
COMMENT ON COLUMN event_consumer.name IS 'Chosen by the customer; it names the consumer in requests.';
COMMENT ON COLUMN event_consumer.description IS 'For people; may be empty.';
COMMENT ON COLUMN event_consumer.event_types IS 'The event types that it reads. * stands for all. Empty: it reads the dead letters of an endpoint.';
COMMENT ON COLUMN event_consumer.filter IS 'An expression that selects from these events, as that of an endpoint; empty: all.';
COMMENT ON COLUMN event_consumer.dead_letters_of IS 'It reads the events whose delivery to this endpoint has failed for good. NULL: it reads events as they are published.';
COMMENT ON COLUMN event_consumer.sealed_secret IS 'The secret that signs its items, sealed for this consumer and not for this column, so that a rotation can copy it.';
COMMENT ON COLUMN event_consumer.old_sealed_secret IS 'The secret from before the last rotation. NULL: there is none.';
COMMENT ON COLUMN event_consumer.old_secret_expires_at IS 'Until when the old secret signs, too.';
COMMENT ON COLUMN event_consumer.created_at IS 'When it was made.';
COMMENT ON COLUMN event_consumer.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN event_consumer.deleted_at IS 'When it was deleted. The upkeep then removes its items, and this row last. NULL: it is in use.';
COMMENT ON COLUMN event_consumer.revision IS 'Grows by a random number with each change that affects which events it gets, as webhook_endpoint.revision.';
CREATE UNIQUE INDEX event_consumer_name ON event_consumer (org_id, name) WHERE deleted_at IS NULL;
CALL raise_wall('event_consumer');
GRANT SELECT, INSERT, UPDATE ON event_consumer TO portico_app;
-- The dispatcher publishes operational events, and the upkeep removes what was deleted.
CALL open_to_worker('event_consumer', 'SELECT, DELETE');

CREATE TABLE event_consumer_progress (
  org_id          uuid NOT NULL,
  consumer_id     uuid NOT NULL,
  last_position   bigint NOT NULL DEFAULT 0,
  acknowledged    bigint NOT NULL DEFAULT 0,
  acknowledged_by text,
  acknowledged_at timestamptz,
  PRIMARY KEY (org_id, consumer_id),
  FOREIGN KEY (org_id, consumer_id) REFERENCES event_consumer (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE event_consumer_progress IS 'How far a consumer has read. Requests that hand out items lock the row, so positions are given one after the other.';
COMMENT ON COLUMN event_consumer_progress.org_id IS 'The organization of the consumer.';
COMMENT ON COLUMN event_consumer_progress.consumer_id IS 'The consumer.';
COMMENT ON COLUMN event_consumer_progress.last_position IS 'The position of the last item that was handed out. 0: none was.';
COMMENT ON COLUMN event_consumer_progress.acknowledged IS 'The highest position that was acknowledged. 0: none was.';
COMMENT ON COLUMN event_consumer_progress.acknowledged_by IS 'Who last acknowledged items, in the form of audit_entry.actor_id. NULL: nobody yet.';
COMMENT ON COLUMN event_consumer_progress.acknowledged_at IS 'When that was. NULL: never.';
CALL raise_wall('event_consumer_progress');
GRANT SELECT, INSERT, UPDATE ON event_consumer_progress TO portico_app;

CREATE TABLE event_consumer_item (
  org_id      uuid NOT NULL,
  consumer_id uuid NOT NULL,
  event_id    uuid NOT NULL,
  next_at     timestamptz NOT NULL DEFAULT portico_now(),
  position    bigint,
  died_at     timestamptz,
  tries       smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, consumer_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE event_consumer_item IS
  'Events that a consumer has not acknowledged. A publish writes the row in its transaction, so no commit order can hide an event from its consumer. '
  'Acknowledging deletes the row. There are no foreign keys: the event may expire first, and a publish would lock the consumer.';
COMMENT ON COLUMN event_consumer_item.org_id IS 'The organization of the consumer.';
COMMENT ON COLUMN event_consumer_item.consumer_id IS 'The consumer.';
COMMENT ON COLUMN event_consumer_item.event_id IS 'The event.';
COMMENT ON COLUMN event_consumer_item.next_at IS 'When it may be handed out, or handed out again.';
COMMENT ON COLUMN event_consumer_item.position IS 'Where it stood when it was last handed out. NULL: it was not handed out.';
COMMENT ON COLUMN event_consumer_item.died_at IS 'When it became a dead letter, because it was handed out often enough and never acknowledged. NULL: it is not one.';
COMMENT ON COLUMN event_consumer_item.tries IS 'How often it was handed out.';
CREATE INDEX event_consumer_item_due ON event_consumer_item (org_id, consumer_id, next_at, event_id) WHERE died_at IS NULL;
CREATE INDEX event_consumer_item_position ON event_consumer_item (org_id, consumer_id, position) WHERE position IS NOT NULL;
CREATE INDEX event_consumer_item_dead ON event_consumer_item (org_id, consumer_id, event_id) WHERE died_at IS NOT NULL;
CALL raise_wall('event_consumer_item');
GRANT SELECT, INSERT, UPDATE, DELETE ON event_consumer_item TO portico_app;
CALL open_to_worker('event_consumer_item', 'SELECT, INSERT, UPDATE, DELETE');

-- +goose StatementBegin
CREATE FUNCTION raise_consumer_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.event_types, OLD.filter, OLD.deleted_at) IS DISTINCT FROM (NEW.event_types, NEW.filter, NEW.deleted_at) THEN
    NEW.revision := OLD.revision + 1 + floor(random() * 1000000)::bigint;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER revision BEFORE UPDATE ON event_consumer FOR EACH ROW EXECUTE FUNCTION raise_consumer_revision();

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION subscriptions_version(org uuid) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT coalesce(sum(revision), 0)::bigint FROM webhook_endpoint WHERE org_id = org)
    + coalesce((SELECT revision FROM event_catalog WHERE org_id = org), 0)
    + (SELECT coalesce(sum(revision), 0)::bigint FROM event_consumer WHERE org_id = org);
END $$;
-- +goose StatementEnd
