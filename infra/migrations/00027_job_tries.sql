-- +goose Up
-- A finished job keeps its failed tries, so that one can see how it came to its end.
ALTER TABLE job_log ADD tries jsonb;
COMMENT ON COLUMN job_log.tries IS 'The last failed tries, as in job. NULL: none failed.';
COMMENT ON COLUMN job.tries IS 'The last failed tries, the oldest first: when, how long, code, error, and when a person let the job begin anew after it.';

-- finish_job as before, with the tries.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION finish_job(org uuid, job_id uuid, held uuid, log uuid, done bigint, total bigint, note text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (DELETE FROM job WHERE org_id = org AND id = job_id AND lease = held RETURNING *)
  INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, unique_key,
    progress_note, created_by, request_id, error_code, last_error, args, tries)
  SELECT org_id, log, id, created_at, done, total, attempts, crashes, 'succeeded', queue, kind, unique_key,
    note, created_by, request_id, error_code, last_error, args, nullif(tries, '[]') FROM gone;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lease of the job % has ended', job_id USING ERRCODE = 'PTLSE';
  END IF;
END $$;
-- +goose StatementEnd
