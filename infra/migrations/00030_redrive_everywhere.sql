-- +goose Up
-- find_dead_jobs returns the dead jobs behind a place, by organization and id, up to
-- those of to_org, for a redrive by staff. matches: it died in the given time, is of
-- the kinds and in the way that were chosen, and lives here. It reads no other jobs.
CREATE FUNCTION find_dead_jobs(
  from_org uuid, from_id uuid, to_org uuid, not_kinds text[], of_kinds text[], of_fingerprint text, at_latest timestamptz, since timestamptz, until timestamptz,
  reads_at_most integer)
RETURNS TABLE (org_id uuid, id uuid, matches boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
  SELECT j.org_id, j.id, j.kind <> ALL (not_kinds) AND (cardinality(of_kinds) = 0 OR j.kind = ANY (of_kinds)) AND (of_fingerprint = '' OR j.fingerprint = of_fingerprint)
    AND j.due_at <= at_latest AND (since IS NULL OR j.due_at >= since) AND (until IS NULL OR j.due_at < until)
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = j.org_id AND p.state IN ('left', 'arriving'))
  FROM (
    SELECT d.* FROM job d WHERE d.status = 'dead' AND (d.org_id, d.id) > (from_org, from_id) AND d.org_id <= to_org ORDER BY d.org_id, d.id LIMIT reads_at_most
  ) j
$$;
REVOKE EXECUTE ON FUNCTION find_dead_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_dead_jobs TO portico_app;
