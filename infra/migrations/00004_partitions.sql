-- +goose Up
-- uuid_floor returns the smallest UUIDv7 of a moment: the bound of a partition.
CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

-- make_partitions sees to it that every partitioned table reaches a year ahead.
-- The log tables have a partition a month, because retention drops them whole;
-- webhook_delivery one a quarter, because the claim looks into each.
-- Daily maintenance calls it as portico_worker, hence SECURITY DEFINER.
-- +goose StatementBegin
CREATE FUNCTION make_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  made integer := 0;
  spec record;
  since timestamptz;
  name text;
BEGIN
  FOR spec IN SELECT * FROM (VALUES
      ('event', 'month', interval '1 month'),
      ('webhook_attempt', 'month', interval '1 month'),
      ('webhook_delivery', 'quarter', interval '3 months')) AS v(tbl, unit, step) LOOP
    since := date_trunc(spec.unit, portico_now(), 'UTC');
    WHILE since < portico_now() + interval '1 year' LOOP
      name := spec.tbl || to_char(since AT TIME ZONE 'UTC', '_YYYY_MM');
      IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, spec.tbl,
          uuid_floor(since), uuid_floor((since AT TIME ZONE 'UTC' + spec.step) AT TIME ZONE 'UTC'));
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        made := made + 1;
      END IF;
      since := (since AT TIME ZONE 'UTC' + spec.step) AT TIME ZONE 'UTC';
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION make_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions TO portico_worker;
SELECT make_partitions();
