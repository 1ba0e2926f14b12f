-- +goose Up
-- Streams send the audit log to systems of the customer, such as a SIEM: ADR 27.
CREATE TABLE audit_stream (
  org_id                uuid NOT NULL REFERENCES organization (id),
  id                    uuid NOT NULL,
  name                  text NOT NULL,
  type                  text NOT NULL CHECK (type IN ('https', 's3', 'splunk_hec', 'datadog')),
  settings              jsonb NOT NULL,
  sealed_secret         bytea,
  old_sealed_secret     bytea,
  old_secret_expires_at timestamptz,
  categories            text[] NOT NULL DEFAULT '{}',
  actions               text[] NOT NULL DEFAULT '{}',
  outcomes              text[] NOT NULL DEFAULT '{}',
  status                text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'paused')),
  pause_reason          text CHECK (pause_reason IN ('requested', 'refused')),
  paused_at             timestamptz,
  revision              bigint NOT NULL DEFAULT 1,
  reached               bigint NOT NULL CHECK (reached >= 0),
  replay_from           bigint CHECK (replay_from > 0),
  replay_to             bigint,
  replay_reached        bigint,
  replayed_at           timestamptz,
  batch_limit           integer CHECK (batch_limit >= 0),
  failures              integer NOT NULL DEFAULT 0,
  failing_since         timestamptz,
  next_try_at           timestamptz,
  last_error            text,
  last_error_at         timestamptz,
  last_delivered_at     timestamptz,
  test_id               uuid,
  tested_at             timestamptz,
  test_error            text,
  created_at            timestamptz NOT NULL DEFAULT portico_now(),
  updated_at            timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  CHECK ((status = 'paused') = (pause_reason IS NOT NULL)),
  CHECK ((status = 'paused') = (paused_at IS NOT NULL)),
  CHECK ((old_sealed_secret IS NULL) = (old_secret_expires_at IS NULL)),
  CHECK (num_nulls(replay_from, replay_to, replay_reached, replayed_at) IN (0, 4)),
  CHECK (replay_reached BETWEEN replay_from - 1 AND replay_to)
) WITH (fillfactor = 50);
COMMENT ON TABLE audit_stream IS
  'Streams of the audit log to systems of the customer. Numbers are those of audit_chain, which has no gaps, so a number says how far a stream has come.';
COMMENT ON COLUMN audit_stream.org_id IS 'The organization whose audit log it sends.';
COMMENT ON COLUMN audit_stream.id IS 'Shown as ast_….';
COMMENT ON COLUMN audit_stream.name IS 'For people.';
COMMENT ON COLUMN audit_stream.type IS 'The kind of system that gets the entries. It never changes.';
COMMENT ON COLUMN audit_stream.settings IS 'Where that system is, without secrets. Which members it has depends on the type.';
COMMENT ON COLUMN audit_stream.sealed_secret IS 'What signs the requests (https), or allows them: a token (splunk_hec) or an API key (datadog). Sealed for this stream. NULL: the type has none.';
COMMENT ON COLUMN audit_stream.old_sealed_secret IS 'The secret from before the last rotation. NULL: there is none.';
COMMENT ON COLUMN audit_stream.old_secret_expires_at IS 'Until when the old secret signs, too.';
COMMENT ON COLUMN audit_stream.categories IS 'Only entries of these categories. Empty: all.';
COMMENT ON COLUMN audit_stream.actions IS 'Only entries with these actions; webhook_endpoint.* stands for all actions of a noun. Empty: all.';
COMMENT ON COLUMN audit_stream.outcomes IS 'Only entries with these outcomes. Empty: all.';
COMMENT ON COLUMN audit_stream.status IS 'paused: nothing is sent, except a test entry.';
COMMENT ON COLUMN audit_stream.pause_reason IS 'requested by the customer, or refused: the other side has denied access. NULL: it is not paused.';
COMMENT ON COLUMN audit_stream.paused_at IS 'When it was paused. NULL: it is not.';
COMMENT ON COLUMN audit_stream.revision IS 'Grows with each change by the customer. What a request with older settings has failed with does not count.';
COMMENT ON COLUMN audit_stream.reached IS 'All entries up to this number are delivered, or not selected.';
COMMENT ON COLUMN audit_stream.replay_from IS 'The first number of the replay that was last asked for. NULL: none was.';
COMMENT ON COLUMN audit_stream.replay_to IS 'Its last number.';
COMMENT ON COLUMN audit_stream.replay_reached IS 'All its entries up to this number are delivered again, or not selected.';
COMMENT ON COLUMN audit_stream.replayed_at IS 'When it was asked for.';
COMMENT ON COLUMN audit_stream.batch_limit IS 'How many entries a batch may have, after a batch was too large. 0: one, without its fields before and after. NULL: as many as usual.';
COMMENT ON COLUMN audit_stream.failures IS 'How many tries have failed since the last that did not.';
COMMENT ON COLUMN audit_stream.failing_since IS 'When the first of these tries failed. NULL: the last try did not fail.';
COMMENT ON COLUMN audit_stream.next_try_at IS 'When the next try may begin. NULL: at once.';
COMMENT ON COLUMN audit_stream.last_error IS 'What the last failed try has failed with, for people. NULL: none has failed.';
COMMENT ON COLUMN audit_stream.last_error_at IS 'When that was.';
COMMENT ON COLUMN audit_stream.last_delivered_at IS 'When entries were last delivered. NULL: never.';
COMMENT ON COLUMN audit_stream.test_id IS 'The id of a test entry that is still to be sent. NULL: there is none.';
COMMENT ON COLUMN audit_stream.tested_at IS 'When a test entry was last sent. NULL: never.';
COMMENT ON COLUMN audit_stream.test_error IS 'Why it was not accepted. NULL: it was.';
COMMENT ON COLUMN audit_stream.created_at IS 'When it was made.';
COMMENT ON COLUMN audit_stream.updated_at IS 'When the customer last changed it.';
CALL raise_wall('audit_stream');
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_stream TO portico_app;
-- The sequencer adds the jobs that send.
CALL open_to_worker('audit_stream', 'SELECT');
