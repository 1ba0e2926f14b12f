-- +goose Up
-- Staff see the jobs of all organizations and of the platform, and act on the
-- platform's own rows, which have the organization of zeros.
-- So the platform has a row among the organizations: an audit entry or an
-- Idempotency-Key of the platform refers to it, and the foreign keys stay. They are
-- what makes the transaction fail that would leave such a row behind for an
-- organization that is erased at the same moment. The row is in no list, and no
-- request can name it.
SELECT bind_organization('00000000-0000-0000-0000-000000000000', true);
INSERT INTO organization (id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'The platform');
COMMENT ON TABLE organization IS
  'A customer of the company that runs Portico. Every row of the tables behind the wall belongs to one. '
  'The id of zeros is the platform itself, so that what staff do with its own jobs has an audit entry.';
COMMENT ON COLUMN audit_entry.org_id IS 'The organization in which the change was made. Zeros: the platform''s own.';
COMMENT ON COLUMN idempotency_key.org_id IS 'The organization on which the request acts. Zeros: the platform.';
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION list_organizations(before timestamptz, before_id uuid, starts text, at_most integer)
RETURNS TABLE (id uuid, name text, settings jsonb, branding jsonb, version integer, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.name, o.settings, o.branding, o.version, o.created_at, o.updated_at
  FROM organization o
  WHERE o.deleted_at IS NULL AND o.id <> '00000000-0000-0000-0000-000000000000' AND starts_with(lower(o.name), lower(starts))
    AND (before IS NULL OR (o.created_at, o.id) < (before, before_id))
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving'))
  ORDER BY o.created_at DESC, o.id DESC LIMIT at_most
$$;
-- +goose StatementEnd
COMMENT ON TABLE job IS
  'Work that is done in the background: what waits, what runs and what has failed for good. Finishing moves the row to job_log. '
  'The platform''s own jobs have the zero organization, which only operations of staff bind. There is no foreign key, because an insert would lock the organization.';

-- list_jobs lists, for staff, the unfinished jobs of all organizations that live
-- here and of the platform, the newest first. An argument that is NULL or empty
-- selects all. It reads through a policy for portico_owner, which cannot log in.
CREATE POLICY lookup ON job FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION list_jobs(of_org uuid, of_status text, of_kinds text[], of_fingerprint text, before uuid, at_most integer) RETURNS SETOF job
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT * FROM job
  WHERE (of_org IS NULL OR org_id = of_org) AND (of_status = '' OR CASE WHEN lease IS NULL THEN status ELSE 'running' END = of_status)
    AND (cardinality(of_kinds) = 0 OR kind = ANY (of_kinds)) AND (of_fingerprint = '' OR fingerprint = of_fingerprint)
    AND (before IS NULL OR id < before)
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = job.org_id AND p.state IN ('left', 'arriving'))
  ORDER BY id DESC LIMIT at_most
$$;
-- +goose StatementEnd

-- list_dead_jobs groups the dead ones among them that failed in the same way.
-- +goose StatementBegin
CREATE FUNCTION list_dead_jobs(of_org uuid, of_kinds text[])
RETURNS TABLE (fingerprint text, kind text, error_code text, last_error text, jobs bigint, organizations bigint, oldest uuid, newest uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT fingerprint, kind, error_code, (array_agg(last_error ORDER BY id DESC))[1], count(*), count(DISTINCT org_id),
    (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1]
  FROM job
  WHERE status = 'dead' AND (of_org IS NULL OR org_id = of_org) AND (cardinality(of_kinds) = 0 OR kind = ANY (of_kinds))
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = job.org_id AND p.state IN ('left', 'arriving'))
  GROUP BY fingerprint, kind, error_code ORDER BY count(*) DESC, fingerprint LIMIT 100
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION list_jobs, list_dead_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_jobs, list_dead_jobs TO portico_app;
