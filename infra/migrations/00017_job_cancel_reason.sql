-- +goose Up
ALTER TABLE job ADD COLUMN cancel_reason text;
COMMENT ON COLUMN job.cancel_reason IS 'Why somebody asked to end it while it ran, as the person said. NULL: nobody asked, or nobody said.';
