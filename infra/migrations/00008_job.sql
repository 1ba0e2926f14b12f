-- +goose Up
-- Background jobs. A row of job is what somebody must still care about: it waits,
-- runs, or is dead and waits for a person. What has finished is in job_log.

CREATE TABLE job (
  org_id              uuid NOT NULL,
  id                  uuid NOT NULL,
  due_at              timestamptz NOT NULL,
  lease               uuid,
  started_at          timestamptz,
  cancel_requested_at timestamptz,
  created_at          timestamptz NOT NULL DEFAULT portico_now(),
  progress_done       bigint NOT NULL DEFAULT 0,
  progress_total      bigint NOT NULL DEFAULT 0,
  attempts            smallint NOT NULL DEFAULT 0,
  crashes             smallint NOT NULL DEFAULT 0,
  counted             boolean NOT NULL DEFAULT false,
  status              text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'scheduled', 'dead')),
  queue               text NOT NULL CHECK (queue IN ('high', 'bulk', 'billing')),
  kind                text NOT NULL,
  unique_key          text,
  progress_note       text NOT NULL DEFAULT '',
  created_by          text,
  request_id          text NOT NULL DEFAULT '',
  error_code          text,
  last_error          text,
  fingerprint         text,
  args                json NOT NULL CHECK (octet_length(args::text) <= 16384),
  cursor              json,
  tries               jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (org_id, id),
  CHECK (status = 'pending' OR lease IS NULL),
  CHECK (lease IS NOT NULL OR started_at IS NULL),
  CHECK (status <> 'dead' OR error_code IS NOT NULL)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02);
COMMENT ON TABLE job IS
  'Work that is done in the background: what waits, what runs and what has failed for good. Finishing moves the row to job_log. '
  'The platform''s own jobs have the zero organization, which no request can bind, so there is no foreign key.';
COMMENT ON COLUMN job.org_id IS 'The organization whose work it is. Zeros: the platform''s own.';
COMMENT ON COLUMN job.id IS 'Shown as job_….';
COMMENT ON COLUMN job.due_at IS
  'When it may be claimed; while it is leased, when the lease ends. So one index finds both the due jobs and those whose runner died.';
COMMENT ON COLUMN job.lease IS 'The token of the current claim. Every later write must have it. NULL: it waits.';
COMMENT ON COLUMN job.started_at IS
  'When the work under this lease began. NULL: not yet, because it waits to be taken over by an invocation of its own. Only a lease that ends after that counts as a crash.';
COMMENT ON COLUMN job.cancel_requested_at IS 'When somebody asked to end it while it ran. NULL: nobody did.';
COMMENT ON COLUMN job.created_at IS 'When it was added.';
COMMENT ON COLUMN job.progress_done IS 'How much of it is done, as its kind counts.';
COMMENT ON COLUMN job.progress_total IS 'How much there is to do; 0: not known.';
COMMENT ON COLUMN job.attempts IS 'How many tries have failed.';
COMMENT ON COLUMN job.crashes IS 'How often its runner died while it ran. After three it is dead.';
COMMENT ON COLUMN job.counted IS 'Whether its lease counts against an exact limit of its kind, so that an index of the leased jobs stays small.';
COMMENT ON COLUMN job.status IS
  'pending: in its lane, waiting or running. scheduled: due later; it is not in a lane, so that claims do not meet it. dead: it has failed for good and waits for a person.';
COMMENT ON COLUMN job.queue IS 'Where it runs: each queue has a function and a role of its own.';
COMMENT ON COLUMN job.kind IS 'What it does: a name in the code, such as audit.export.';
COMMENT ON COLUMN job.unique_key IS 'At most one job of its organization and kind with this key waits, and at most one runs. NULL: any number.';
COMMENT ON COLUMN job.progress_note IS 'What it is doing, for people; may be empty.';
COMMENT ON COLUMN job.created_by IS 'Who added it, in the form of audit_entry.actor_id. NULL: Portico itself.';
COMMENT ON COLUMN job.request_id IS 'The request that added it; empty if none did.';
COMMENT ON COLUMN job.error_code IS 'Why the last try failed, for programs. NULL: none failed.';
COMMENT ON COLUMN job.last_error IS 'The same for people.';
COMMENT ON COLUMN job.fingerprint IS 'The same for jobs that failed in the same way: it groups dead jobs.';
COMMENT ON COLUMN job.args IS 'The arguments, in JSON of at most 16 KiB. They name things by their ids.';
COMMENT ON COLUMN job.cursor IS 'How far a job of several steps has come. NULL: nowhere yet.';
COMMENT ON COLUMN job.tries IS 'The last failed tries, the oldest first: when, code, error.';
-- A claim serves lanes (organization and kind) in turn. In this index it finds the
-- due jobs of a lane, and the next lane that has any.
CREATE INDEX job_lane ON job (queue, org_id, kind, due_at) WHERE status = 'pending';
CREATE INDEX job_scheduled ON job (queue, due_at) WHERE status = 'scheduled';
CREATE INDEX job_counted ON job (kind, org_id) WHERE lease IS NOT NULL AND counted;
CREATE INDEX job_dead ON job (id) WHERE status = 'dead';
-- Of a key one job may wait and one may run.
CREATE UNIQUE INDEX job_waits ON job (org_id, kind, unique_key) WHERE unique_key IS NOT NULL AND lease IS NULL AND status <> 'dead';
CREATE UNIQUE INDEX job_runs ON job (org_id, kind, unique_key) WHERE unique_key IS NOT NULL AND lease IS NOT NULL;
CALL raise_wall('job');
GRANT SELECT, INSERT, UPDATE, DELETE ON job TO portico_app;
CALL open_to_worker('job', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE job_log (
  org_id         uuid NOT NULL,
  log_id         uuid NOT NULL,
  id             uuid NOT NULL,
  created_at     timestamptz NOT NULL,
  finished_at    timestamptz NOT NULL DEFAULT portico_now(),
  progress_done  bigint NOT NULL,
  progress_total bigint NOT NULL,
  attempts       smallint NOT NULL,
  crashes        smallint NOT NULL,
  outcome        text NOT NULL CHECK (outcome IN ('succeeded', 'cancelled', 'dropped', 'merged')),
  queue          text NOT NULL,
  kind           text NOT NULL,
  unique_key     text,
  progress_note  text NOT NULL,
  created_by     text,
  request_id     text NOT NULL,
  error_code     text,
  last_error     text,
  reason         text,
  args           json NOT NULL,
  PRIMARY KEY (org_id, log_id)
) PARTITION BY RANGE (log_id);
COMMENT ON TABLE job_log IS 'Jobs that have finished. One partition per month; they are kept for 30 days. Columns that job has too mean the same.';
COMMENT ON COLUMN job_log.org_id IS 'The organization whose work it was. Zeros: the platform''s own.';
COMMENT ON COLUMN job_log.log_id IS 'Starts with the millisecond of finished_at, which decides the partition: a job may finish months after it was added.';
COMMENT ON COLUMN job_log.id IS 'The id of the job, shown as job_….';
COMMENT ON COLUMN job_log.created_at IS 'When it was added.';
COMMENT ON COLUMN job_log.finished_at IS 'When it finished.';
COMMENT ON COLUMN job_log.progress_done IS 'How much of it was done.';
COMMENT ON COLUMN job_log.progress_total IS 'How much there was to do; 0: not known.';
COMMENT ON COLUMN job_log.attempts IS 'How many tries had failed.';
COMMENT ON COLUMN job_log.crashes IS 'How often its runner died while it ran.';
COMMENT ON COLUMN job_log.outcome IS
  'succeeded. cancelled: somebody ended it. dropped: it was dead, and a person gave it up. merged: a later job with its key does the same work.';
COMMENT ON COLUMN job_log.queue IS 'Where it ran.';
COMMENT ON COLUMN job_log.kind IS 'What it did.';
COMMENT ON COLUMN job_log.unique_key IS 'Its key. NULL: none.';
COMMENT ON COLUMN job_log.progress_note IS 'What it last said about its progress.';
COMMENT ON COLUMN job_log.created_by IS 'Who added it. NULL: Portico itself.';
COMMENT ON COLUMN job_log.request_id IS 'The request that added it; empty if none did.';
COMMENT ON COLUMN job_log.error_code IS 'Why the last failed try failed, for programs. NULL: none failed.';
COMMENT ON COLUMN job_log.last_error IS 'The same for people.';
COMMENT ON COLUMN job_log.reason IS 'Why it was dropped or cancelled, as the person said. NULL: nobody said.';
COMMENT ON COLUMN job_log.args IS 'The arguments of its last try.';
CREATE INDEX job_log_id ON job_log (org_id, id);
CALL raise_wall('job_log');
GRANT SELECT, INSERT ON job_log TO portico_app;
CALL open_to_worker('job_log', 'SELECT, INSERT');

CREATE TABLE job_stat (
  org_id    uuid NOT NULL,
  hour      timestamptz NOT NULL,
  kind      text NOT NULL,
  succeeded bigint NOT NULL DEFAULT 0,
  failed    bigint NOT NULL DEFAULT 0,
  dead      bigint NOT NULL DEFAULT 0,
  run_time  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, hour, kind)
);
COMMENT ON TABLE job_stat IS 'How many jobs ended in an hour, and how. Runners add to it every few seconds, so a killed runner loses the last ones.';
COMMENT ON COLUMN job_stat.org_id IS 'The organization. Zeros: the platform itself.';
COMMENT ON COLUMN job_stat.hour IS 'The beginning of the hour.';
COMMENT ON COLUMN job_stat.kind IS 'The kind of the jobs.';
COMMENT ON COLUMN job_stat.succeeded IS 'How many succeeded.';
COMMENT ON COLUMN job_stat.failed IS 'How many tries failed.';
COMMENT ON COLUMN job_stat.dead IS 'How many failed for good.';
COMMENT ON COLUMN job_stat.run_time IS 'Milliseconds that their tries took together.';
CREATE INDEX job_stat_hour ON job_stat (hour);
CALL raise_wall('job_stat');
GRANT SELECT ON job_stat TO portico_app;
CALL open_to_worker('job_stat', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE job_schedule (
  org_id     uuid NOT NULL,
  name       text NOT NULL,
  next_at    timestamptz,
  fired_at   timestamptz,
  updated_at timestamptz NOT NULL DEFAULT portico_now(),
  enabled    boolean NOT NULL DEFAULT true,
  origin     text NOT NULL DEFAULT 'code' CHECK (origin IN ('code', 'panel')),
  catch_up   text NOT NULL DEFAULT 'one' CHECK (catch_up IN ('none', 'one', 'all')),
  queue      text NOT NULL CHECK (queue IN ('high', 'bulk', 'billing')),
  kind       text NOT NULL,
  cron       text NOT NULL,
  timezone   text NOT NULL DEFAULT 'UTC',
  updated_by text,
  args       json NOT NULL DEFAULT '{}' CHECK (octet_length(args::text) <= 16384),
  declared   json NOT NULL,
  PRIMARY KEY (org_id, name),
  CHECK (enabled = (next_at IS NOT NULL))
);
COMMENT ON TABLE job_schedule IS
  'Jobs that recur. Firing sets next_at and adds the job in one transaction, so each planned time makes one job, whoever fires.';
COMMENT ON COLUMN job_schedule.org_id IS 'The organization whose job it adds. Zeros: the platform''s own.';
COMMENT ON COLUMN job_schedule.name IS 'Chosen in the code.';
COMMENT ON COLUMN job_schedule.next_at IS 'When it fires next. NULL: it is paused.';
COMMENT ON COLUMN job_schedule.fired_at IS 'The planned time for which it last fired. NULL: it has not fired yet.';
COMMENT ON COLUMN job_schedule.updated_at IS 'When a person or a deployment last changed it.';
COMMENT ON COLUMN job_schedule.enabled IS 'false: it is paused.';
COMMENT ON COLUMN job_schedule.origin IS 'code: it is as the code declares it, and a deployment changes it. panel: a person has changed it, and deployments leave it.';
COMMENT ON COLUMN job_schedule.catch_up IS 'Which of several planned times that have passed make a job: none of them, one (the last) or all.';
COMMENT ON COLUMN job_schedule.queue IS 'The queue of the job.';
COMMENT ON COLUMN job_schedule.kind IS 'The kind of the job.';
COMMENT ON COLUMN job_schedule.cron IS 'When it fires: minute, hour, day, month, weekday.';
COMMENT ON COLUMN job_schedule.timezone IS 'The time zone of cron, a name of the IANA database.';
COMMENT ON COLUMN job_schedule.updated_by IS 'Who last changed it, in the form of audit_entry.actor_id. NULL: a deployment.';
COMMENT ON COLUMN job_schedule.args IS 'The arguments of the job.';
COMMENT ON COLUMN job_schedule.declared IS 'What the code declares: cron, time zone, catch-up, arguments. Resetting goes back to it.';
CREATE INDEX job_schedule_next ON job_schedule (next_at) WHERE next_at IS NOT NULL;
CALL raise_wall('job_schedule');
GRANT SELECT, INSERT, UPDATE, DELETE ON job_schedule TO portico_app;
CALL open_to_worker('job_schedule', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE job_kind (
  kind         text PRIMARY KEY,
  paused_at    timestamptz,
  paused_by    text,
  pause_reason text,
  per_org      integer CHECK (per_org >= 1),
  in_all       integer CHECK (in_all >= 1),
  updated_at   timestamptz NOT NULL DEFAULT portico_now(),
  CHECK ((paused_at IS NULL) = (pause_reason IS NULL))
);
COMMENT ON TABLE job_kind IS 'What staff have changed of a kind of jobs. A kind without a row is as the code declares it.';
COMMENT ON COLUMN job_kind.kind IS 'The name of the kind.';
COMMENT ON COLUMN job_kind.paused_at IS 'When it was paused: its jobs wait. NULL: they run.';
COMMENT ON COLUMN job_kind.paused_by IS 'Who paused it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN job_kind.pause_reason IS 'Why it was paused.';
COMMENT ON COLUMN job_kind.per_org IS 'How many of its jobs may run at a time for one organization. NULL: as the code says.';
COMMENT ON COLUMN job_kind.in_all IS 'How many of its jobs may run at a time in this database. NULL: as the code says.';
COMMENT ON COLUMN job_kind.updated_at IS 'When it was last changed.';
GRANT SELECT, INSERT, UPDATE, DELETE ON job_kind TO portico_app;
GRANT SELECT ON job_kind TO portico_worker;

CREATE TABLE job_throttle (
  name          text PRIMARY KEY,
  per_second    double precision NOT NULL CHECK (per_second > 0),
  burst         double precision NOT NULL CHECK (burst >= 1),
  next_slot     timestamptz,
  bulk_slot     timestamptz,
  blocked_until timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE job_throttle IS
  'The rates of outside APIs, shared by all runners: the generic cell rate algorithm. Jobs of the queue bulk get at most four fifths of a rate, so that they never delay a job of another queue for long.';
COMMENT ON COLUMN job_throttle.name IS 'Chosen in the code, such as ses.';
COMMENT ON COLUMN job_throttle.per_second IS 'How many jobs may start per second.';
COMMENT ON COLUMN job_throttle.burst IS 'How many may start at once after a pause.';
COMMENT ON COLUMN job_throttle.next_slot IS 'The theoretical arrival time of the next job. NULL: none has started yet.';
COMMENT ON COLUMN job_throttle.bulk_slot IS 'The same for the queue bulk alone.';
COMMENT ON COLUMN job_throttle.blocked_until IS 'Before this time none starts, because the other side asked to wait. NULL: it did not ask.';
GRANT SELECT ON job_throttle TO portico_app;
GRANT SELECT, INSERT, UPDATE ON job_throttle TO portico_worker;

-- job_room returns how many more jobs of a kind may run, of one organization or, if
-- org is NULL, in all. It is VOLATILE, so its query sees what was committed before
-- it took the lock: no two claims count at the same time. The lock ends with the
-- claim. 0: another claim has it.
-- +goose StatementBegin
CREATE FUNCTION job_room(org uuid, of_kind text, most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(format('job %s %s', of_kind, org), 0)) THEN
    RETURN 0;
  END IF;
  RETURN greatest(0, most - (SELECT count(*) FROM job
    WHERE kind = of_kind AND (org IS NULL OR org_id = org) AND lease IS NOT NULL AND counted AND due_at > portico_now()));
END $$;
-- +goose StatementEnd

-- finish_job moves a job to job_log in the transaction of its work, if its lease is
-- still the current one. Otherwise it raises PTLSE, which undoes the work.
-- +goose StatementBegin
CREATE FUNCTION finish_job(org uuid, job_id uuid, held uuid, log uuid, done bigint, total bigint, note text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (DELETE FROM job WHERE org_id = org AND id = job_id AND lease = held RETURNING *)
  INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, unique_key,
    progress_note, created_by, request_id, error_code, last_error, args)
  SELECT org_id, log, id, created_at, done, total, attempts, crashes, 'succeeded', queue, kind, unique_key,
    note, created_by, request_id, error_code, last_error, args FROM gone;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of the job % has ended', job_id USING ERRCODE = 'PTLSE';
  END IF;
END $$;
-- +goose StatementEnd

-- save_job_step writes how far a job has come in the transaction of the step, under
-- the same condition. It raises PTCNL if somebody asked to end the job.
-- +goose StatementBegin
CREATE FUNCTION save_job_step(org uuid, job_id uuid, held uuid, reached json, done bigint, total bigint, note text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE cancelled boolean;
BEGIN
  UPDATE job SET cursor = reached, progress_done = done, progress_total = total, progress_note = note
  WHERE org_id = org AND id = job_id AND lease = held RETURNING cancel_requested_at IS NOT NULL INTO cancelled;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of the job % has ended', job_id USING ERRCODE = 'PTLSE';
  ELSIF cancelled THEN
    RAISE EXCEPTION 'the job % was cancelled', job_id USING ERRCODE = 'PTCNL';
  END IF;
END $$;
-- +goose StatementEnd

-- partitioned_tables has the new table. Its time is kept by itself: keep is how
-- long, or NULL for tables that are kept as long as events are.
DROP FUNCTION partitioned_tables();
CREATE FUNCTION partitioned_tables() RETURNS TABLE (tbl text, unit text, step interval, settings text, keep interval)
LANGUAGE sql IMMUTABLE AS $$ VALUES
  ('event', 'month', interval '1 month', NULL, NULL::interval),
  ('webhook_attempt', 'month', interval '1 month', NULL, NULL),
  ('webhook_delivery', 'quarter', interval '3 months',
    'autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02', NULL),
  ('job_log', 'month', interval '1 month', NULL, interval '30 days')
$$;
SELECT make_partitions();

DROP FUNCTION expired_partitions(interval);
CREATE FUNCTION expired_partitions(keep interval) RETURNS TABLE (tbl text, part text, since timestamptz, till timestamptz, holds_events boolean)
LANGUAGE sql STABLE AS $$
  SELECT p.tbl, c.relname::text, begun.at, ended.at, p.keep IS NULL
  FROM partitioned_tables() p JOIN pg_inherits i ON i.inhparent = p.tbl::regclass JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') AS begun (at)
  CROSS JOIN LATERAL (SELECT (begun.at AT TIME ZONE 'UTC' + p.step) AT TIME ZONE 'UTC') AS ended (at)
  WHERE ended.at <= portico_now() - coalesce(p.keep, expired_partitions.keep)
  ORDER BY ended.at, c.relname
$$;

-- drop_partition as before; unfinished deliveries keep only the partitions of events.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION drop_partition(name text, keep interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE e record;
BEGIN
  SELECT * INTO e FROM expired_partitions(greatest(keep, interval '1 day')) WHERE part = name;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not a partition that has expired', name;
  END IF;
  PERFORM set_config('lock_timeout', '5s', true);
  LOCK TABLE placement IN SHARE MODE;
  EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', e.part);
  IF EXISTS (SELECT FROM placement WHERE state = 'arriving') OR e.holds_events AND EXISTS (
    SELECT FROM webhook_delivery WHERE status = 'pending' AND event_id >= uuid_floor(e.since) AND event_id < uuid_floor(e.till)) THEN
    RETURN false;
  END IF;
  PERFORM set_config('lock_timeout', '100ms', true);
  EXECUTE format('LOCK TABLE ONLY %I, ONLY %I IN ACCESS EXCLUSIVE MODE', e.tbl, e.part);
  EXECUTE format('DROP TABLE %I', e.part);
  RETURN true;
END $$;
-- +goose StatementEnd
