-- +goose Up
-- Organizations live in one of several databases with this same schema. Each
-- database knows for itself whom it must not serve, so that a program with an
-- old notion of where an organization lives is corrected and writes nothing to
-- the wrong place. shared/placement/move.go writes the rows, as portico_owner.
--   draining  it is about to go to database: requests are served, nothing is sent
--   leaving   its last rows are being copied there: nobody writes
--   left      it lives there, or was last seen going there
--   arriving  it is coming from there
-- A move that died ends by itself: draining and leaving count until a time only.
CREATE TABLE placement (
  org_id   uuid PRIMARY KEY,
  state    text NOT NULL CHECK (state IN ('draining', 'leaving', 'left', 'arriving')),
  database text NOT NULL,
  until    timestamptz NOT NULL DEFAULT 'infinity',
  CHECK (until < 'infinity' OR state IN ('left', 'arriving'))
);
CALL raise_wall('placement');
GRANT SELECT ON placement TO portico_app;
CALL open_to_worker('placement', 'SELECT');

-- bind_organization binds the transaction to an organization, or raises
--   PTLFT  it lives in another database, which the detail names: it has left for
--          there, or has not arrived from there
--   PTMOV  it is leaving: try again in a moment
-- Moving and erasing reach its rows wherever some are.
-- +goose StatementBegin
CREATE FUNCTION bind_organization(org uuid, wherever boolean DEFAULT false) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  place placement;
BEGIN
  PERFORM set_config('app.org_id', org::text, true);
  IF wherever THEN
    RETURN;
  END IF;
  SELECT * INTO place FROM placement WHERE org_id = org AND state <> 'draining' AND until > portico_now();
  IF NOT FOUND THEN
    RETURN;
  ELSIF place.state = 'leaving' THEN
    RAISE EXCEPTION 'organization % is leaving', org USING ERRCODE = 'PTMOV';
  END IF;
  RAISE EXCEPTION 'organization % does not live here', org USING ERRCODE = 'PTLFT', DETAIL = place.database;
END $$;
-- +goose StatementEnd

-- The rows of an organization that left, or did not arrive, are erased like a
-- deleted one's. That it left stays known, until it is deleted where it lives.
CREATE FUNCTION forget_placement() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM placement WHERE org_id = app_org() AND state = 'left' AND NOT EXISTS (SELECT FROM organization WHERE id = app_org())
$$;
REVOKE EXECUTE ON FUNCTION forget_placement FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_placement TO portico_app;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION erase_organization(at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  org uuid := app_org();
  tbl regclass;
  part oid;
  removed integer;
BEGIN
  IF NOT EXISTS (SELECT FROM organization WHERE id = org AND deleted_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM placement WHERE org_id = org AND state IN ('left', 'arriving')) THEN
    RAISE EXCEPTION 'organization % lives here and is not marked as deleted', org;
  END IF;
  PERFORM set_config('app.erase_org', org::text, true);  -- the audit log lets go of its rows
  FOR tbl IN
    WITH RECURSIVE place (oid, depth) AS (
      SELECT polrelid, 0 FROM pg_policy WHERE polname = 'erase'
      UNION
      SELECT k.conrelid, place.depth + 1 FROM place
      JOIN pg_constraint k ON k.confrelid = place.oid AND k.contype = 'f' AND k.conparentid = 0
      WHERE place.depth < 20)
    SELECT oid FROM place WHERE oid NOT IN ('organization'::regclass, 'placement'::regclass) GROUP BY oid ORDER BY max(depth) DESC, oid
  LOOP
    EXECUTE format('SELECT tableoid FROM %s WHERE org_id = $1 LIMIT 1', tbl) INTO part USING org;
    CONTINUE WHEN part IS NULL;
    EXECUTE format('DELETE FROM %1$s WHERE org_id = $1 AND tableoid = $2 AND ctid = ANY (ARRAY(
      SELECT ctid FROM %1$s WHERE org_id = $1 AND tableoid = $2 LIMIT $3))', tbl) USING org, part, at_most;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
  END LOOP;
  DELETE FROM placement WHERE org_id = org AND state IN ('draining', 'leaving');
  DELETE FROM organization WHERE id = org;
  RETURN 0;
END $$;
-- +goose StatementEnd

-- Whoever is a member in two databases is one user with one id in both.
CREATE FUNCTION user_with(address text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT id FROM user_account WHERE lower(email) = lower(address)
$$;
REVOKE EXECUTE ON FUNCTION user_with FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_with TO portico_app;

-- An organization that arrives may be older than the database.
-- +goose StatementBegin
CREATE FUNCTION make_partitions(first timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
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
    since := date_trunc(spec.unit, first, 'UTC');
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
REVOKE EXECUTE ON FUNCTION make_partitions(timestamptz) FROM PUBLIC;
CREATE OR REPLACE FUNCTION make_partitions() RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$ SELECT make_partitions(portico_now()) $$;
