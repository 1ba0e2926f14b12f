-- +goose Up
-- What the daily upkeep calls: partitions by time, retention, old transactions.

-- uuid_floor returns the smallest UUIDv7 of a moment: the bound of a partition.
CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

-- partitioned_tables lists the tables that are partitioned by time, with the unit
-- and the settings of their partitions. The log tables have a partition per month,
-- because retention drops whole partitions; webhook_delivery has one per quarter,
-- because a claim searches every partition. The row of a delivery is updated three
-- times, so autovacuum starts at 2 % of dead rows in a partition instead of 20 %.
CREATE FUNCTION partitioned_tables() RETURNS TABLE (tbl text, unit text, step interval, settings text)
LANGUAGE sql IMMUTABLE AS $$ VALUES
  ('event', 'month', interval '1 month', NULL),
  ('webhook_attempt', 'month', interval '1 month', NULL),
  ('webhook_delivery', 'quarter', interval '3 months',
    'autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02')
$$;

-- make_partitions makes the missing partitions of every partitioned table, from a
-- moment to three months from now: enough if the upkeep fails for weeks, and no
-- more, because a claim opens every partition. The moment can be in the past,
-- because an organization that arrives may be older than the database. A partition
-- is made as a separate table and then attached, so others can read and write
-- meanwhile. CREATE TABLE … PARTITION OF would wait for every reader, and everybody
-- would wait for it.
-- +goose StatementBegin
CREATE FUNCTION make_partitions(first timestamptz) RETURNS integer
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
    WHILE since < portico_now() + interval '3 months' LOOP
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
REVOKE EXECUTE ON FUNCTION make_partitions(timestamptz) FROM PUBLIC;

-- It is SECURITY DEFINER, because the upkeep calls it as portico_worker.
CREATE FUNCTION make_partitions() RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$ SELECT make_partitions(portico_now()) $$;
REVOKE EXECUTE ON FUNCTION make_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions() TO portico_worker;
SELECT make_partitions();

-- expired_partitions lists the partitions in which every event is older than keep,
-- the oldest first.
CREATE FUNCTION expired_partitions(keep interval) RETURNS TABLE (tbl text, part text, since timestamptz, till timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT p.tbl, c.relname::text, begun.at, ended.at
  FROM partitioned_tables() p JOIN pg_inherits i ON i.inhparent = p.tbl::regclass JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') AS begun (at)
  CROSS JOIN LATERAL (SELECT (begun.at AT TIME ZONE 'UTC' + p.step) AT TIME ZONE 'UTC') AS ended (at)
  WHERE ended.at <= portico_now() - keep
  ORDER BY ended.at, c.relname
$$;

-- drop_partition drops an expired partition, and returns false if deliveries of
-- its events are unfinished. Meanwhile no such delivery can be added: new events
-- have new ids, and no organization arrives from another database while placement
-- is locked.
--
-- Dropping locks the whole table. While it waits for that lock, publishing waits
-- too, so it gives up after a tenth of a second, and the caller tries again. The
-- first lock of the partition stops autovacuum before anybody waits. DETACH
-- CONCURRENTLY would wait for readers without stopping anybody, but it cannot run
-- in a function, and the daily upkeep must not own tables.
CREATE POLICY lookup ON webhook_delivery FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION drop_partition(name text, keep interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE e record;
BEGIN
  SELECT * INTO e FROM expired_partitions(greatest(keep, interval '1 day')) WHERE part = name;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not a partition that has expired', name;
  END IF;
  PERFORM set_config('lock_timeout', '5s', true);
  LOCK TABLE placement IN SHARE MODE;
  EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', e.part);
  IF EXISTS (SELECT FROM placement WHERE state = 'arriving') OR EXISTS (
    SELECT FROM webhook_delivery WHERE status = 'pending' AND event_id >= uuid_floor(e.since) AND event_id < uuid_floor(e.till)) THEN
    RETURN false;
  END IF;
  PERFORM set_config('lock_timeout', '100ms', true);
  EXECUTE format('LOCK TABLE ONLY %I, ONLY %I IN ACCESS EXCLUSIVE MODE', e.tbl, e.part);
  EXECUTE format('DROP TABLE %I', e.part);
  RETURN true;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION drop_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_partition TO portico_worker;

-- oldest_transaction returns for how long the oldest transaction has been open.
-- While it has a snapshot, vacuum cannot remove rows that died later, and claims
-- must skip them. Its locks can prevent a partition from being dropped.
CREATE FUNCTION oldest_transaction() RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce(max(portico_now() - clock_offset - xact_start), '0') FROM pg_stat_activity, clock
  WHERE datname = current_database() AND backend_type <> 'autovacuum worker' AND pid <> pg_backend_pid()
$$;
REVOKE EXECUTE ON FUNCTION oldest_transaction FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oldest_transaction TO portico_worker;
