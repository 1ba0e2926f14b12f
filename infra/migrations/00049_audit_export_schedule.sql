-- +goose Up
-- Exports of the audit log that are made of each day or week: docs/audit.md.
CREATE TABLE audit_export_schedule (
  org_id            uuid NOT NULL REFERENCES organization (id),
  id                uuid NOT NULL,
  every             text NOT NULL CHECK (every IN ('day', 'week')),
  format            text NOT NULL CHECK (format IN ('csv', 'ndjson')),
  filter            json NOT NULL,
  stream_id         uuid,
  member_id         uuid,
  next_since        timestamptz NOT NULL,
  next_until        timestamptz NOT NULL,
  export_id         uuid,
  last_export_id    uuid,
  last_delivered_at timestamptz,
  failures          integer NOT NULL DEFAULT 0,
  failing_since     timestamptz,
  next_try_at       timestamptz,
  last_error        text,
  created_by        text,
  created_at        timestamptz NOT NULL DEFAULT portico_now(),
  updated_at        timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  CHECK (num_nonnulls(stream_id, member_id) = 1),
  CHECK (next_since < next_until),
  CHECK ((failures = 0) = (failing_since IS NULL))
);
COMMENT ON TABLE audit_export_schedule IS 'Exports of an audit log that are made of each day or week and sent somewhere. The next period begins where the one before has ended, so there are no gaps and no overlaps.';
COMMENT ON COLUMN audit_export_schedule.org_id IS 'The organization whose audit log is exported.';
COMMENT ON COLUMN audit_export_schedule.id IS 'Shown as aes_….';
COMMENT ON COLUMN audit_export_schedule.every IS 'What a period is: a day, or a week from Monday on, in UTC. It never changes.';
COMMENT ON COLUMN audit_export_schedule.format IS 'csv, or ndjson with the fields of the chain.';
COMMENT ON COLUMN audit_export_schedule.filter IS 'Which entries are in the files, as audit.Filter in JSON, without a time.';
COMMENT ON COLUMN audit_export_schedule.stream_id IS 'The audit_stream to whose bucket the files are written. It may be gone. NULL: see member_id.';
COMMENT ON COLUMN audit_export_schedule.member_id IS 'The member who gets a mail about each file. It may be gone. NULL: see stream_id.';
COMMENT ON COLUMN audit_export_schedule.next_since IS 'Where the next period begins. It moves when the file of the period was sent.';
COMMENT ON COLUMN audit_export_schedule.next_until IS 'Where the next period ends: the first moment that is not a part of it.';
COMMENT ON COLUMN audit_export_schedule.export_id IS 'The audit_export of the next period. NULL: it was not started yet.';
COMMENT ON COLUMN audit_export_schedule.last_export_id IS 'The audit_export that was sent last. NULL: none was.';
COMMENT ON COLUMN audit_export_schedule.last_delivered_at IS 'When that was.';
COMMENT ON COLUMN audit_export_schedule.failures IS 'How many tries to send have failed since the last that did not.';
COMMENT ON COLUMN audit_export_schedule.failing_since IS 'When the first of these tries failed. NULL: the last try did not fail.';
COMMENT ON COLUMN audit_export_schedule.next_try_at IS 'When the next try begins after a failure. NULL: nothing is waited for.';
COMMENT ON COLUMN audit_export_schedule.last_error IS 'What the last try has failed with, for people. NULL: it has not failed.';
COMMENT ON COLUMN audit_export_schedule.created_by IS 'Who made it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN audit_export_schedule.created_at IS 'When it was made.';
COMMENT ON COLUMN audit_export_schedule.updated_at IS 'When the customer last changed it.';
CALL raise_wall('audit_export_schedule');
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_export_schedule TO portico_app;
-- A daily job finds those that are due.
CALL open_to_worker('audit_export_schedule', 'SELECT');
