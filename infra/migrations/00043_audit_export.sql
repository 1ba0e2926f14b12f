-- +goose Up
-- Files with the entries of an audit log, which a job writes to S3: docs/audit.md.
CREATE TABLE audit_export (
  org_id       uuid NOT NULL,
  id           uuid NOT NULL,
  job_id       uuid NOT NULL,
  format       text NOT NULL CHECK (format IN ('csv', 'ndjson')),
  filter       json NOT NULL,
  status       text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'cancelled')),
  first_number bigint NOT NULL DEFAULT 1,
  last_number  bigint,
  last_hash    bytea CHECK (octet_length(last_hash) = 32),
  next_number  bigint NOT NULL DEFAULT 1,
  entries      bigint NOT NULL DEFAULT 0,
  size         bigint NOT NULL DEFAULT 0,
  upload       text,
  parts        text[] NOT NULL DEFAULT '{}',
  rest         bytea NOT NULL DEFAULT '',
  created_by   text,
  created_at   timestamptz NOT NULL DEFAULT portico_now(),
  finished_at  timestamptz,
  PRIMARY KEY (org_id, id),
  CHECK ((status = 'running') = (finished_at IS NULL))
);
COMMENT ON TABLE audit_export IS 'Files with entries of an audit log. A job writes each in steps; a step commits with the place that it has reached.';
COMMENT ON COLUMN audit_export.org_id IS 'The organization.';
COMMENT ON COLUMN audit_export.id IS 'Shown as aex_…. The object in S3 is named after it.';
COMMENT ON COLUMN audit_export.job_id IS 'The job that writes it.';
COMMENT ON COLUMN audit_export.format IS 'csv, or ndjson with the fields of the chain.';
COMMENT ON COLUMN audit_export.filter IS 'Which entries are in it, as audit.Filter in JSON.';
COMMENT ON COLUMN audit_export.status IS 'running until it has come to its end or was cancelled.';
COMMENT ON COLUMN audit_export.first_number IS 'The number in the chain from which the job looks.';
COMMENT ON COLUMN audit_export.last_number IS 'The number up to which it looks: at most the end of the chain when the job began. NULL: it has not.';
COMMENT ON COLUMN audit_export.last_hash IS 'The hash of the last entry that was looked at. NULL: none was.';
COMMENT ON COLUMN audit_export.next_number IS 'All entries with lower numbers are done.';
COMMENT ON COLUMN audit_export.entries IS 'How many entries are in the file.';
COMMENT ON COLUMN audit_export.size IS 'The bytes of the file until now.';
COMMENT ON COLUMN audit_export.upload IS 'The multipart upload in S3. NULL: there is none.';
COMMENT ON COLUMN audit_export.parts IS 'The ETags of the parts that are in S3, in their order.';
COMMENT ON COLUMN audit_export.rest IS 'What is not in S3 yet, because a part has 5 MiB at least. Empty when the export has ended.';
COMMENT ON COLUMN audit_export.created_by IS 'Who asked for it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN audit_export.created_at IS 'When it was asked for.';
COMMENT ON COLUMN audit_export.finished_at IS 'When it ended. NULL: it has not.';
CREATE INDEX audit_export_running ON audit_export (org_id) WHERE status = 'running';
CREATE INDEX audit_export_finished ON audit_export (finished_at) WHERE finished_at IS NOT NULL;
CALL raise_wall('audit_export');
GRANT SELECT, INSERT, UPDATE (status, first_number, last_number, last_hash, next_number, entries, size, upload, parts, rest, finished_at) ON audit_export TO portico_app;
-- The upkeep removes those that ended long ago.
CALL open_to_worker('audit_export', 'SELECT, DELETE');
