-- +goose Up
-- expired_partitions lists the partitions of which every event is older than
-- that, the oldest first.
CREATE FUNCTION expired_partitions(keep interval) RETURNS TABLE (tbl text, part text, since timestamptz, till timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT p.tbl, c.relname::text, begun.at, ended.at
  FROM partitioned_tables() p JOIN pg_inherits i ON i.inhparent = p.tbl::regclass JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') AS begun (at)
  CROSS JOIN LATERAL (SELECT (begun.at AT TIME ZONE 'UTC' + p.step) AT TIME ZONE 'UTC') AS ended (at)
  WHERE ended.at <= portico_now() - keep
  ORDER BY ended.at, c.relname
$$;

-- drop_partition drops one of these, and returns false if deliveries of its
-- events are unfinished. Those cannot become more meanwhile: new events have new
-- ids, and nobody arrives from another database while placement is locked.
--
-- Dropping takes the whole table for a moment: publishing waits behind that for
-- a tenth of a second at most, and then the caller tries again. Autovacuum is
-- sent away before, while nobody waits. DETACH CONCURRENTLY would wait for
-- readers without stopping anybody, but runs in no function, and daily upkeep
-- shall not own tables.
CREATE POLICY lookup ON webhook_delivery FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION drop_partition(name text, keep interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE e record;
BEGIN
  SELECT * INTO e FROM expired_partitions(greatest(keep, interval '1 day')) WHERE part = name;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is no partition that has expired', name;
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
