-- +goose Up
ALTER TABLE organization
  ADD settings   jsonb NOT NULL DEFAULT '{}',  -- those that differ from their default: shared/org/settings.go
  ADD branding   jsonb NOT NULL DEFAULT '{}',
  ADD version    integer NOT NULL DEFAULT 1,   -- counts changes, so that two people do not overwrite each other
  ADD updated_at timestamptz NOT NULL DEFAULT portico_now(),
  ADD deleted_at timestamptz;                  -- set: being erased
ALTER TABLE organization NO FORCE ROW LEVEL SECURITY;  -- or this finds no rows
UPDATE organization SET updated_at = created_at;
ALTER TABLE organization FORCE ROW LEVEL SECURITY;
GRANT UPDATE (name, settings, branding, version, updated_at, deleted_at) ON organization TO portico_app;

-- Only erasing reaches rows as portico_owner, and only those of the bound
-- organization. From now on the wall comes with that policy. (A migration that
-- reads rows of a walled table fails loudly: before, it found none.)
-- +goose StatementBegin
CREATE PROCEDURE open_to_eraser(tbl regclass, org_column text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE POLICY erase ON %s TO portico_owner
    USING (%2$I = (SELECT app_org())) WITH CHECK (%2$I = (SELECT app_org()))', tbl, org_column);
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE PROCEDURE raise_wall(tbl regclass, org_column text DEFAULT 'org_id')
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY wall ON %s AS RESTRICTIVE TO portico_app
    USING (%2$I = (SELECT app_org())) WITH CHECK (%2$I = (SELECT app_org()))', tbl, org_column);
  EXECUTE format('CREATE POLICY app ON %s TO portico_app USING (true) WITH CHECK (true)', tbl);
  CALL open_to_eraser(tbl, org_column);
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON PROCEDURE open_to_eraser FROM PUBLIC;
-- +goose StatementBegin
DO $$
DECLARE tbl regclass;
BEGIN
  FOR tbl IN SELECT polrelid FROM pg_policy WHERE polname = 'wall' LOOP
    CALL open_to_eraser(tbl, CASE WHEN tbl = 'organization'::regclass THEN 'id' ELSE 'org_id' END);
  END LOOP;
END $$;
-- +goose StatementEnd

-- erase_organization removes up to that many rows of the bound organization,
-- which must be marked as deleted, from one table, those first that refer to
-- others; at last the organization itself. It returns how many rows; 0: all is
-- gone. Which tables there are it reads from the catalogue, so none is forgotten.
-- +goose StatementBegin
CREATE FUNCTION erase_organization(at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  org uuid := app_org();
  tbl regclass;
  part oid;
  removed integer;
BEGIN
  IF NOT EXISTS (SELECT FROM organization WHERE id = org AND deleted_at IS NOT NULL) THEN
    RAISE EXCEPTION 'organization % is not marked as deleted', org;
  END IF;
  PERFORM set_config('app.erase_org', org::text, true);  -- the audit log lets go of its rows
  FOR tbl IN
    WITH RECURSIVE place (oid, depth) AS (
      SELECT polrelid, 0 FROM pg_policy WHERE polname = 'erase'
      UNION
      SELECT k.conrelid, place.depth + 1 FROM place
      JOIN pg_constraint k ON k.confrelid = place.oid AND k.contype = 'f' AND k.conparentid = 0
      WHERE place.depth < 20)
    SELECT oid FROM place WHERE oid <> 'organization'::regclass GROUP BY oid ORDER BY max(depth) DESC, oid
  LOOP
    EXECUTE format('SELECT tableoid FROM %s WHERE org_id = $1 LIMIT 1', tbl) INTO part USING org;
    CONTINUE WHEN part IS NULL;
    EXECUTE format('DELETE FROM %1$s WHERE org_id = $1 AND tableoid = $2 AND ctid = ANY (ARRAY(
      SELECT ctid FROM %1$s WHERE org_id = $1 AND tableoid = $2 LIMIT $3))', tbl) USING org, part, at_most;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
  END LOOP;
  DELETE FROM organization WHERE id = org;
  RETURN 0;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION erase_organization FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_organization TO portico_app;
