-- +goose Up
-- What an organization keeps of a person is removed by one request: an erasure.
CREATE TABLE erasure (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  job_id        uuid NOT NULL,
  filter        text CHECK (char_length(filter) <= 1024),
  ordering_keys text[],
  recipient     text,
  criteria      text[] NOT NULL CHECK (cardinality(criteria) > 0),
  dry_run       boolean NOT NULL,
  since         timestamptz,
  until         timestamptz NOT NULL,
  status        text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'cancelled')),
  last_mail_id  uuid,
  mails_done_at timestamptz,
  last_event_id uuid NOT NULL,
  examined      bigint NOT NULL DEFAULT 0,
  events        bigint NOT NULL DEFAULT 0,
  mails         bigint NOT NULL DEFAULT 0,
  created_by    text,
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  finished_at   timestamptz,
  PRIMARY KEY (org_id, id),
  CHECK (since < until),
  CHECK ((status = 'running') = (finished_at IS NULL)),
  CHECK ((status = 'running') = (num_nonnulls(filter, ordering_keys, recipient) > 0))
);
COMMENT ON TABLE erasure IS
  'Requests to remove what is kept of a person. A job does each in steps: first the mails, then the events. Each step commits with the place that it has reached. What the request says of the person is kept only while it runs.';
COMMENT ON COLUMN erasure.org_id IS 'The organization.';
COMMENT ON COLUMN erasure.id IS 'Shown as era_….';
COMMENT ON COLUMN erasure.job_id IS 'The job that does it.';
COMMENT ON COLUMN erasure.filter IS 'Events for which this expression is true are expunged. NULL: none was given, or the erasure has ended.';
COMMENT ON COLUMN erasure.ordering_keys IS 'Events with one of these ordering keys are expunged. NULL: none was given, or the erasure has ended.';
COMMENT ON COLUMN erasure.recipient IS 'Mails to this address are expunged, and the operational events about them. NULL: none was given, or the erasure has ended.';
COMMENT ON COLUMN erasure.criteria IS 'Which of filter, ordering_keys and recipient were given. It stays.';
COMMENT ON COLUMN erasure.dry_run IS 'It only counts, and removes nothing.';
COMMENT ON COLUMN erasure.since IS 'Only events and mails from this time on. NULL: from the beginning.';
COMMENT ON COLUMN erasure.until IS 'Only events and mails from before this time. It is never later than created_at.';
COMMENT ON COLUMN erasure.status IS 'running until it has come to its end or was cancelled.';
COMMENT ON COLUMN erasure.last_mail_id IS 'All mails up to this id are done. NULL: none is.';
COMMENT ON COLUMN erasure.mails_done_at IS 'When the mails were done. If until is created_at, reports about mails (mail.*) are expunged up to this time. NULL: they are not done.';
COMMENT ON COLUMN erasure.last_event_id IS 'All events up to this id are done. At first it is below the first event.';
COMMENT ON COLUMN erasure.examined IS 'How many events were looked at.';
COMMENT ON COLUMN erasure.events IS 'How many events were expunged; of a dry run, how many would be.';
COMMENT ON COLUMN erasure.mails IS 'How many mails were expunged; of a dry run, how many would be.';
COMMENT ON COLUMN erasure.created_by IS 'Who asked for it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN erasure.created_at IS 'When it was asked for.';
COMMENT ON COLUMN erasure.finished_at IS 'When it ended. NULL: it has not.';
CREATE INDEX erasure_running ON erasure (org_id) WHERE status = 'running';
CREATE INDEX erasure_finished ON erasure (finished_at) WHERE finished_at IS NOT NULL;
CALL raise_wall('erasure');
GRANT SELECT, INSERT, UPDATE (filter, ordering_keys, recipient, status, last_mail_id, mails_done_at, last_event_id, examined, events, mails, finished_at) ON erasure TO portico_app;
-- The upkeep removes those that ended long ago.
CALL open_to_worker('erasure', 'SELECT, DELETE');

COMMENT ON COLUMN mail.recipient IS 'The mail address, the domain in ASCII. Empty: the mail was expunged, and only what does not lead to the person is kept.';
COMMENT ON COLUMN mail.key IS 'Chosen by whoever sends: a second mail of the organization with the same key is not sent. If the mail was expunged, its id stands here, which still prevents that.';
