-- +goose Up
-- Staff pause kinds of jobs and bound how many run: the home database has the change
-- first, and jobs copy it to the others.
ALTER TABLE job_kind ADD revision bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN job_kind.revision IS 'Grows with each change by staff. A database with a lower one than the home database has not got the last change yet.';
