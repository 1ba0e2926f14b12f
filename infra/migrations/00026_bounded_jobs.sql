-- +goose Up
-- What one request or one step of a redrive reads of jobs is bounded, however many
-- there are. There is no index by id alone: a claim changes an indexed column, so it
-- would write an entry more. So lists are by organization, and of dead jobs they read
-- no others.
DROP INDEX job_dead;
CREATE INDEX job_dead ON job (org_id, id) WHERE status = 'dead';

-- list_jobs lists, for staff, the unfinished jobs of the organizations that live here
-- and of the platform: by organization, the newest first, those behind from_org and
-- from_id, down to to_org. An argument that is NULL or empty selects all. It reads at
-- most reads_at_most jobs; if there may be more, the last one read is there too,
-- although it may not match. Plans that read all of them and sort are excluded.
DROP FUNCTION list_jobs;
-- +goose StatementBegin
CREATE FUNCTION list_jobs(
  from_org uuid, from_id uuid, to_org uuid, of_status text, of_queue text, of_kinds text[], of_fingerprint text, since timestamptz, until timestamptz,
  at_most integer, reads_at_most integer)
RETURNS TABLE (found job, matches boolean, ends boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT (SELECT j FROM job j WHERE j.org_id = r.org_id AND j.id = r.id), r.matches, r.place = $11
    FROM (
      SELECT d.org_id, d.id, row_number() OVER (ORDER BY d.org_id DESC, d.id DESC) AS place,
        ($4 = '' OR CASE WHEN d.lease IS NULL THEN d.status ELSE 'running' END = $4) AND ($5 = '' OR d.queue = $5)
        AND (cardinality($6) = 0 OR d.kind = ANY ($6)) AND ($7 = '' OR d.fingerprint = $7) AND d.created_at >= $8 AND d.created_at < $9
        AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = d.org_id AND p.state IN ('left', 'arriving')) AS matches
      FROM (SELECT * FROM job WHERE %s AND (org_id, id) < ($1, $2) AND org_id >= $3 ORDER BY org_id DESC, id DESC LIMIT $11) d
    ) r
    WHERE r.matches OR r.place = $11
    ORDER BY r.org_id DESC, r.id DESC LIMIT $10
    $query$, CASE of_status WHEN 'dead' THEN $condition$status = 'dead'$condition$ ELSE 'true' END)
  USING from_org, from_id, to_org, of_status, of_queue, of_kinds, of_fingerprint, coalesce(since, '-infinity'), coalesce(until, 'infinity'),
    at_most, reads_at_most;
END $$;
-- +goose StatementEnd

-- list_finished_jobs does the same with finished jobs.
CREATE POLICY lookup ON job_log FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION list_finished_jobs(
  from_org uuid, from_id uuid, to_org uuid, of_status text, of_queue text, of_kinds text[], since timestamptz, until timestamptz,
  at_most integer, reads_at_most integer)
RETURNS TABLE (found job_log, matches boolean, ends boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY EXECUTE $query$
    SELECT (SELECT j FROM job_log j WHERE j.org_id = r.org_id AND j.id = r.id AND j.log_id = r.log_id), r.matches, r.place = $10
    FROM (
      SELECT d.org_id, d.id, d.log_id, row_number() OVER (ORDER BY d.org_id DESC, d.id DESC, d.log_id DESC) AS place,
        d.outcome = $4 AND ($5 = '' OR d.queue = $5) AND (cardinality($6) = 0 OR d.kind = ANY ($6)) AND d.created_at >= $7 AND d.created_at < $8
        AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = d.org_id AND p.state IN ('left', 'arriving')) AS matches
      FROM (SELECT * FROM job_log WHERE (org_id, id) < ($1, $2) AND org_id >= $3 ORDER BY org_id DESC, id DESC, log_id DESC LIMIT $10) d
    ) r
    WHERE r.matches OR r.place = $10
    ORDER BY r.org_id DESC, r.id DESC, r.log_id DESC LIMIT $9
    $query$
  USING from_org, from_id, to_org, of_status, of_queue, of_kinds, coalesce(since, '-infinity'), coalesce(until, 'infinity'), at_most, reads_at_most;
END $$;
-- +goose StatementEnd

-- list_dead_jobs groups dead jobs that failed in the same way. It reads as list_jobs
-- does. If there may be more, a row without a fingerprint has the last one read as
-- newest, and its organization.
DROP FUNCTION list_dead_jobs;
-- +goose StatementBegin
CREATE FUNCTION list_dead_jobs(from_org uuid, from_id uuid, to_org uuid, of_kinds text[], reads_at_most integer)
RETURNS TABLE (
  fingerprint text, kind text, error_code text, last_error text, jobs bigint, organizations bigint, oldest uuid, newest uuid, newest_org uuid,
  first_at timestamptz, last_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY EXECUTE $query$
    WITH read AS MATERIALIZED (
      SELECT org_id, id, fingerprint, kind, error_code, due_at FROM job
      WHERE status = 'dead' AND (org_id, id) < ($1, $2) AND org_id >= $3 ORDER BY org_id DESC, id DESC LIMIT $5
    ), groups AS (
      SELECT fingerprint, kind, error_code, count(*) AS jobs, count(DISTINCT org_id) AS organizations,
        (array_agg(id ORDER BY id))[1] AS oldest, (array_agg(id ORDER BY id DESC))[1] AS newest, (array_agg(org_id ORDER BY id DESC))[1] AS newest_org,
        min(due_at) AS first_at, max(due_at) AS last_at
      FROM read r
      WHERE (cardinality($4) = 0 OR kind = ANY ($4))
        AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = r.org_id AND p.state IN ('left', 'arriving'))
      GROUP BY fingerprint, kind, error_code ORDER BY count(*) DESC, fingerprint LIMIT 100
    )
    SELECT g.fingerprint, g.kind, g.error_code, (SELECT j.last_error FROM job j WHERE j.org_id = g.newest_org AND j.id = g.newest),
      g.jobs, g.organizations, g.oldest, g.newest, g.newest_org, g.first_at, g.last_at
    FROM groups g
    UNION ALL (SELECT NULL, NULL, NULL, NULL, 0, 0, id, id, org_id, due_at, due_at FROM read OFFSET $5 - 1)
    $query$
  USING from_org, from_id, to_org, of_kinds, reads_at_most;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION list_jobs, list_finished_jobs, list_dead_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_jobs, list_finished_jobs, list_dead_jobs TO portico_app;
