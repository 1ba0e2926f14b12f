-- +goose Up
-- One index finds a finished job by its id and lists an organization's finished
-- jobs, so finishing a job writes one index entry less.
ALTER TABLE job_log DROP CONSTRAINT job_log_pkey, ADD PRIMARY KEY (org_id, id, log_id);
DROP INDEX job_log_id;
