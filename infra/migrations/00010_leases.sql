-- +goose Up
-- A lease is kept in columns without an index. So leasing a delivery writes no index
-- entry: the new version of the row is on the same page (HOT), where fillfactor
-- leaves room for it.
ALTER TABLE webhook_delivery ADD leased_until timestamptz;
COMMENT ON COLUMN webhook_delivery.leased_until IS 'When the current lease ends: until then nobody else claims the delivery, after that anybody may. NULL: it is not leased.';
COMMENT ON COLUMN webhook_delivery.next_retry_at IS
  'When it may be claimed, unless it is leased. infinity: it waits for earlier ones with the same ordering key. NULL: it is finished.';

-- Postgres parses and plans each CHECK again in every statement that writes a row:
-- a tenth of a statement that writes one delivery. The tests check all rows instead,
-- at the end of each (shared/testkit/database.go).
ALTER TABLE webhook_delivery DROP CONSTRAINT webhook_delivery_status_check, DROP CONSTRAINT webhook_delivery_check;

CREATE OR REPLACE FUNCTION partitioned_tables() RETURNS TABLE (tbl text, unit text, step interval, settings text, keep interval)
LANGUAGE sql IMMUTABLE AS $$ VALUES
  ('event', 'month', interval '1 month', NULL, NULL::interval),
  ('webhook_attempt', 'month', interval '1 month', NULL, NULL),
  ('webhook_delivery', 'quarter', interval '3 months',
    'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02', NULL),
  ('job_log', 'month', interval '1 month', NULL, interval '30 days')
$$;
-- +goose StatementBegin
DO $$
DECLARE part regclass;
BEGIN
  FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'webhook_delivery'::regclass LOOP
    EXECUTE format('ALTER TABLE %s SET (fillfactor = 70)', part);
  END LOOP;
END $$;
-- +goose StatementEnd
