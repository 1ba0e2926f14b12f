-- +goose Up
-- Staff list organizations across the wall. The function shows those that are
-- not closed and live here, and nothing that they own, page by page: older than the last one of
-- the page before, and with names that start as asked. It reads through a policy
-- for portico_owner, which cannot log in. Ids do not order the list, because not
-- all of them carry their time.
CREATE INDEX organization_created_at ON organization (created_at, id);
CREATE POLICY lookup ON organization FOR SELECT TO portico_owner USING (true);
CREATE POLICY lookup ON placement FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION list_organizations(before timestamptz, before_id uuid, starts text, at_most integer)
RETURNS TABLE (id uuid, name text, settings jsonb, branding jsonb, version integer, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.name, o.settings, o.branding, o.version, o.created_at, o.updated_at
  FROM organization o
  WHERE o.deleted_at IS NULL AND starts_with(lower(o.name), lower(starts))
    AND (before IS NULL OR (o.created_at, o.id) < (before, before_id))
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving'))
  ORDER BY o.created_at DESC, o.id DESC LIMIT at_most
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION list_organizations FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_organizations TO portico_app;

-- The upkeep erases what was closed. It learns which organizations those are,
-- and nothing of any other.
CREATE INDEX organization_deleted_at ON organization (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE POLICY closed ON organization FOR SELECT TO portico_worker USING (deleted_at IS NOT NULL);
GRANT SELECT (id, deleted_at) ON organization TO portico_worker;

-- An Idempotency-Key of the request that makes an organization is claimed before
-- the organization is there; and no claim holds a lock on it until the commit.
ALTER TABLE idempotency_key ALTER CONSTRAINT idempotency_key_org_id_fkey DEFERRABLE INITIALLY DEFERRED;
