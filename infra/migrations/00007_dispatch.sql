-- +goose Up
-- The dispatcher keeps endpoints with their secrets in memory and compares the
-- revision at each claim. So every change raises the revision: of an option, and
-- of a secret too, because a rotation also updates its endpoint's row.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION raise_endpoint_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := OLD.revision + 1 + floor(random() * 1000000)::bigint;
  RETURN NEW;
END $$;
-- +goose StatementEnd
COMMENT ON COLUMN webhook_endpoint.revision IS
  'Grows by a random number with each change of the row. So the sum over an organization grows with each change that commits, and a restored database does not reach a sum that was used before.';

ALTER TABLE dispatcher ADD unnotified boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN dispatcher.unnotified IS 'It looks for due deliveries every few milliseconds, so publishes need not notify it.';
