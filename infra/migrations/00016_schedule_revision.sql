-- +goose Up
-- The platform's schedules are in every database. A person changes them in the home
-- database, and a job copies the change to the others.
ALTER TABLE job_schedule ADD COLUMN revision bigint NOT NULL DEFAULT 0;
ALTER TABLE job_schedule ADD COLUMN runs bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN job_schedule.revision IS
  'Grows with each change by a person, in the home database. A smaller number in another database means that the change has not arrived there yet.';
COMMENT ON COLUMN job_schedule.runs IS 'How often a person has run it now. Copying a greater number to a database adds the jobs there.';
