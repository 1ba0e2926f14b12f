-- +goose Up
-- Portico itself pauses the kind that sends marketing while most of the daily quota
-- of the mail service is used.
GRANT INSERT, UPDATE ON job_kind TO portico_worker;
COMMENT ON COLUMN job_kind.paused_by IS 'Who paused it, in the form of audit_entry.actor_id; if Portico itself did, the kind of the job that did it, such as mail.read_account.';
