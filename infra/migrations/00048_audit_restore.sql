-- +goose Up
-- Entries are put back from the archive: docs/audit.md.
ALTER TABLE audit_head ADD restoring bigint CHECK (restoring > 0);
COMMENT ON COLUMN audit_head.restoring IS
  'The first number whose entry is being put back from the archive; until that has ended, nothing is chained. NULL: none is.';
