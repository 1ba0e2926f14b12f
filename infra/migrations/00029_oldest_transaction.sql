-- +goose Up
-- oldest_transaction says for how long the oldest transaction has been open. It
-- may hold a snapshot, beside which claims step over all rows that have died
-- since, and locks that keep partitions from being dropped.
CREATE FUNCTION oldest_transaction() RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce(max(portico_now() - clock_offset - xact_start), '0') FROM pg_stat_activity, clock
  WHERE datname = current_database() AND backend_type <> 'autovacuum worker' AND pid <> pg_backend_pid()
$$;
REVOKE EXECUTE ON FUNCTION oldest_transaction FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oldest_transaction TO portico_worker;
