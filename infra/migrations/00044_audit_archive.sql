-- +goose Up
-- What of each chain is in the archive: ADR 25.
ALTER TABLE audit_head
  ADD archived  bigint  NOT NULL DEFAULT 0 CHECK (archived >= 0),
  ADD archiving boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN audit_head.archived IS 'The number of the last entry that is in the archive. 0: none is.';
COMMENT ON COLUMN audit_head.archiving IS 'A job archives the entries after it. The sequencer adds the job when this is false.';
GRANT UPDATE (archived, archiving) ON audit_head TO portico_app;
