-- +goose Up
-- Which tables are partitioned by time, by what unit, and what their partitions
-- are set to. The queue is updated three times per delivery: autovacuum takes
-- its dead rows at 2 % of a partition instead of 20 %.
CREATE FUNCTION partitioned_tables() RETURNS TABLE (tbl text, unit text, step interval, settings text)
LANGUAGE sql IMMUTABLE AS $$ VALUES
  ('event', 'month', interval '1 month', NULL),
  ('webhook_attempt', 'month', interval '1 month', NULL),
  ('webhook_delivery', 'quarter', interval '3 months',
    'autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02')
$$;

-- A partition is made apart and then attached, which lets others read and write
-- the table; made in place it would wait for every reader, and everybody for it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION make_partitions(first timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  made integer := 0;
  spec record;
  since timestamptz;
  till timestamptz;
  name text;
BEGIN
  FOR spec IN SELECT * FROM partitioned_tables() LOOP
    since := date_trunc(spec.unit, first, 'UTC');
    WHILE since < portico_now() + interval '1 year' LOOP
      name := spec.tbl || to_char(since AT TIME ZONE 'UTC', '_YYYY_MM');
      till := (since AT TIME ZONE 'UTC' + spec.step) AT TIME ZONE 'UTC';
      IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)', name, spec.tbl);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        IF spec.settings IS NOT NULL THEN
          EXECUTE format('ALTER TABLE %I SET (%s)', name, spec.settings);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', spec.tbl, name, uuid_floor(since), uuid_floor(till));
        made := made + 1;
      END IF;
      since := till;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
-- +goose StatementEnd

-- The partitions that are there already.
-- +goose StatementBegin
DO $$
DECLARE part record;
BEGIN
  -- Long enough for Postgres to end an autovacuum that is in the way, which it does after a second
  -- (deadlock_timeout). Readers and writers do not wait for this lock.
  PERFORM set_config('lock_timeout', '5s', true);
  FOR part IN SELECT inhrelid::regclass AS name, settings FROM partitioned_tables() JOIN pg_inherits ON inhparent = tbl::regclass WHERE settings IS NOT NULL LOOP
    EXECUTE format('ALTER TABLE %s SET (%s)', part.name, part.settings);
  END LOOP;
END $$;
-- +goose StatementEnd
