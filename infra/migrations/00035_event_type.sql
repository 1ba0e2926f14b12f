-- +goose Up
-- The event catalog: the types of events that an organization publishes, with the
-- schemas of their data.

CREATE TABLE event_type (
  org_id      uuid NOT NULL REFERENCES organization (id),
  name        text NOT NULL CHECK (char_length(name) <= 128),
  description text NOT NULL DEFAULT '',
  group_name  text NOT NULL DEFAULT '' CHECK (char_length(group_name) <= 64),
  validation  text NOT NULL DEFAULT 'off' CHECK (validation IN ('off', 'required')),
  version     integer,
  versions    integer NOT NULL DEFAULT 0,
  archived_at timestamptz,
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  updated_at  timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, name),
  CHECK (version <= versions)
);
COMMENT ON TABLE event_type IS 'The types of events in an organization''s catalog. A type that is not in it may be published too.';
COMMENT ON COLUMN event_type.org_id IS 'The organization.';
COMMENT ON COLUMN event_type.name IS 'Such as invoice.paid.';
COMMENT ON COLUMN event_type.description IS 'When it is published, for people; may be empty.';
COMMENT ON COLUMN event_type.group_name IS 'Endpoints can subscribe to all types of a group; empty: none.';
COMMENT ON COLUMN event_type.validation IS 'required: a publish is refused unless its data match the current version''s schema. off: schemas only document.';
COMMENT ON COLUMN event_type.version IS 'The number of the current version. NULL: it has none.';
COMMENT ON COLUMN event_type.versions IS 'How many versions there are: they are numbered from 1.';
COMMENT ON COLUMN event_type.archived_at IS 'When it was archived: publishing it is refused. NULL: it is in use.';
COMMENT ON COLUMN event_type.created_at IS 'When it was created.';
COMMENT ON COLUMN event_type.updated_at IS 'When it was last changed.';
CALL raise_wall('event_type');
GRANT SELECT, INSERT, UPDATE, DELETE ON event_type TO portico_app;
-- The dispatcher publishes operational events.
CALL open_to_worker('event_type', 'SELECT');

CREATE TABLE event_type_version (
  org_id     uuid NOT NULL,
  name       text NOT NULL,
  number     integer NOT NULL CHECK (number > 0),
  digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  created_by text NOT NULL,
  schema     bytea NOT NULL,
  examples   bytea NOT NULL,
  PRIMARY KEY (org_id, name, number),
  FOREIGN KEY (org_id, name) REFERENCES event_type (org_id, name)
);
COMMENT ON TABLE event_type_version IS 'The schemas that an event type has had. A version does not change.';
COMMENT ON COLUMN event_type_version.org_id IS 'The organization.';
COMMENT ON COLUMN event_type_version.name IS 'The event type.';
COMMENT ON COLUMN event_type_version.number IS 'Counts from 1 within the type.';
COMMENT ON COLUMN event_type_version.digest IS 'SHA-256 of schema: publishes keep compiled schemas by it.';
COMMENT ON COLUMN event_type_version.created_at IS 'When it was added.';
COMMENT ON COLUMN event_type_version.created_by IS 'Who added it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN event_type_version.schema IS 'JSON Schema of draft 2020-12, as it was sent.';
COMMENT ON COLUMN event_type_version.examples IS 'A JSON array of data that match the schema; may be empty.';
CALL raise_wall('event_type_version');
GRANT SELECT, INSERT, DELETE ON event_type_version TO portico_app;
CALL open_to_worker('event_type_version', 'SELECT');

CREATE TABLE event_catalog (
  org_id   uuid PRIMARY KEY REFERENCES organization (id),
  revision bigint NOT NULL
);
COMMENT ON TABLE event_catalog IS 'One row for each organization that has had an event type. A publish reads it instead of all types.';
COMMENT ON COLUMN event_catalog.org_id IS 'The organization.';
COMMENT ON COLUMN event_catalog.revision IS 'Grows by a random number with each change that affects publishes: as webhook_endpoint.revision does.';
CALL raise_wall('event_catalog');
GRANT SELECT, INSERT, UPDATE ON event_catalog TO portico_app;
CALL open_to_worker('event_catalog', 'SELECT');

-- A trigger, so that no statement that changes a type can forget it. Only for
-- portico_app: a move copies both tables as they are, and erasing needs no revision.
-- +goose StatementBegin
CREATE FUNCTION raise_catalog_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR (OLD.name, OLD.group_name, OLD.validation, OLD.version, OLD.archived_at)
    IS DISTINCT FROM (NEW.name, NEW.group_name, NEW.validation, NEW.version, NEW.archived_at) THEN
    INSERT INTO event_catalog AS c (org_id, revision)
    VALUES (coalesce(NEW.org_id, OLD.org_id), 1 + floor(random() * 1000000)::bigint)
    ON CONFLICT (org_id) DO UPDATE SET revision = c.revision + excluded.revision;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER revision AFTER INSERT OR UPDATE OR DELETE ON event_type
  FOR EACH ROW WHEN (current_user = 'portico_app') EXECUTE FUNCTION raise_catalog_revision();

-- subscriptions_version is different after every change that affects an
-- organization's publishes: each number in it only grows.
-- +goose StatementBegin
CREATE FUNCTION subscriptions_version(org uuid) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT coalesce(sum(revision), 0)::bigint FROM webhook_endpoint WHERE org_id = org)
    + coalesce((SELECT revision FROM event_catalog WHERE org_id = org), 0);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION expect_subscriptions(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF subscriptions_version(app_org()) <> expected THEN
    RAISE EXCEPTION 'the subscriptions have changed' USING ERRCODE = 'PTSTL';
  END IF;
END $$;
-- +goose StatementEnd
