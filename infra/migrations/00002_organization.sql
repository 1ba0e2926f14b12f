-- +goose Up
-- Organizations: themselves, in which database they live, how staff list and
-- the upkeep erases them, their domains and their Idempotency-Keys.

CREATE TABLE organization (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  settings   jsonb NOT NULL DEFAULT '{}',
  branding   jsonb NOT NULL DEFAULT '{}',
  version    integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  updated_at timestamptz NOT NULL DEFAULT portico_now(),
  deleted_at timestamptz
);
COMMENT ON TABLE organization IS 'A customer of the company that runs Portico. Every row of the tables behind the wall belongs to one.';
COMMENT ON COLUMN organization.id IS 'Shown as org_….';
COMMENT ON COLUMN organization.name IS 'Chosen by the customer; not unique.';
COMMENT ON COLUMN organization.settings IS 'The settings that differ from their default, by name: shared/org/settings.go lists them.';
COMMENT ON COLUMN organization.branding IS 'Name, colours and logo for its pages and e-mails: shared/org/branding.go lists them.';
COMMENT ON COLUMN organization.version IS 'The number of changes. A change sends the version that it read, so that two people do not overwrite each other''s changes.';
COMMENT ON COLUMN organization.created_at IS 'When it was made.';
COMMENT ON COLUMN organization.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN organization.deleted_at IS 'When it was closed; the upkeep then erases it. NULL: it is in use.';
CREATE INDEX organization_created_at ON organization (created_at, id);
CREATE INDEX organization_deleted_at ON organization (deleted_at) WHERE deleted_at IS NOT NULL;
CALL raise_wall('organization', 'id');
GRANT SELECT, INSERT, UPDATE (name, settings, branding, version, updated_at, deleted_at) ON organization TO portico_app;

-- The upkeep erases what was closed. It learns which organizations those are,
-- and nothing of any other.
CREATE POLICY closed ON organization FOR SELECT TO portico_worker USING (deleted_at IS NOT NULL);
GRANT SELECT (id, deleted_at) ON organization TO portico_worker;

CREATE TABLE placement (
  org_id   uuid PRIMARY KEY,
  state    text NOT NULL CHECK (state IN ('draining', 'leaving', 'left', 'arriving')),
  database text NOT NULL,
  until    timestamptz NOT NULL DEFAULT 'infinity',
  CHECK (until < 'infinity' OR state IN ('left', 'arriving'))
);
COMMENT ON TABLE placement IS
  'Organizations that have left this database, or are moving to it or from it. An organization lives in one of several databases with this schema. '
  'Each database itself refuses the organizations that it does not serve, so a program that expects one in the wrong database writes nothing there. '
  'shared/placement/move.go writes the rows, as portico_owner.';
COMMENT ON COLUMN placement.org_id IS 'The organization. There is no foreign key, because the row stays after the organization has left.';
COMMENT ON COLUMN placement.state IS
  'draining: it will move to the other database; requests are served, but no deliveries are sent. leaving: its last rows are being copied; nothing is written. '
  'left: it has moved to the other database, and perhaps further since. arriving: it is moving here from the other database.';
COMMENT ON COLUMN placement.database IS 'The name of the other database.';
COMMENT ON COLUMN placement.until IS 'When draining or leaving ends by itself, in case the mover has died.';
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

-- open_arrival lets an organization be served where it arrives from another
-- database, and says whether it was arriving. The sweep calls it for a mover
-- that died after its decision.
-- +goose StatementBegin
CREATE FUNCTION open_arrival(org uuid, came_from text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM bind_organization(org, true);
  DELETE FROM placement WHERE org_id = org AND state = 'arriving' AND database = came_from;
  RETURN FOUND;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION open_arrival FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_arrival TO portico_worker;

-- The rows of an organization that left, or did not arrive, are erased like a
-- deleted one's. That it left stays known, until it is deleted where it lives.
CREATE FUNCTION forget_placement() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM placement WHERE org_id = app_org() AND state = 'left' AND NOT EXISTS (SELECT FROM organization WHERE id = app_org())
$$;
REVOKE EXECUTE ON FUNCTION forget_placement FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_placement TO portico_app;

-- erase_organization removes up to that many rows of the bound organization,
-- which must be marked as deleted or live elsewhere, from one table, those first
-- that refer to others; at last the organization itself. It returns how many
-- rows; 0: all is gone. Which tables there are it reads from the catalogue, so
-- none is forgotten.
-- +goose StatementBegin
CREATE FUNCTION erase_organization(at_most integer) RETURNS integer
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
REVOKE EXECUTE ON FUNCTION erase_organization FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_organization TO portico_app;

-- Staff list organizations across the wall. The function shows those that are
-- not closed and live here, and nothing that they own, page by page: older than
-- the last one of the page before, and with names that start as asked. It reads
-- through a policy for portico_owner, which cannot log in. Ids do not order the
-- list, because not all of them carry their time.
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

CREATE TABLE domain (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  name        text NOT NULL,
  token       text NOT NULL,
  verified_at timestamptz,
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, name)
);
COMMENT ON TABLE domain IS
  'The host names of an organization. DynamoDB decides, for all databases together, which organization owns a name: shared/hostname/hosts.go. '
  'Several organizations may have the same name here, but at most one owns it.';
COMMENT ON COLUMN domain.org_id IS 'The organization that claims the name.';
COMMENT ON COLUMN domain.id IS 'Shown as dom_….';
COMMENT ON COLUMN domain.name IS 'The host name in the form that DNS uses: lower case, punycode.';
COMMENT ON COLUMN domain.token IS 'The value that the TXT record must have; each row has its own.';
COMMENT ON COLUMN domain.verified_at IS 'When the TXT record was found. NULL: it was not found yet.';
COMMENT ON COLUMN domain.created_at IS 'When the name was added.';
CALL raise_wall('domain');
GRANT SELECT, INSERT, DELETE, UPDATE (verified_at) ON domain TO portico_app;

-- The foreign key is deferred: the key of the request that makes an organization
-- is claimed before the organization is there; and no claim holds a lock on the
-- organization until the commit.
CREATE TABLE idempotency_key (
  org_id     uuid NOT NULL REFERENCES organization (id) DEFERRABLE INITIALLY DEFERRED,
  caller     text NOT NULL,
  operation  text NOT NULL,
  key        text NOT NULL,
  body_hash  bytea NOT NULL,
  reply      bytea,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, caller, operation, key)
);
COMMENT ON TABLE idempotency_key IS
  'One row per Idempotency-Key. It is written in the transaction of the work, so a failed request leaves no row. The upkeep removes it after a day.';
COMMENT ON COLUMN idempotency_key.org_id IS 'The organization on which the request acts.';
COMMENT ON COLUMN idempotency_key.caller IS 'Who sent the request. The same key of another caller is another key.';
COMMENT ON COLUMN idempotency_key.operation IS 'The id of the operation. The same key at another operation is another key.';
COMMENT ON COLUMN idempotency_key.key IS 'The header Idempotency-Key, as sent.';
COMMENT ON COLUMN idempotency_key.body_hash IS 'SHA-256 of the path and the body of the request. Another request with the same key is refused.';
COMMENT ON COLUMN idempotency_key.reply IS 'The reply for a repeated request, sealed, because some replies hold a secret. NULL: the first request has not finished.';
COMMENT ON COLUMN idempotency_key.created_at IS 'When the key was claimed.';
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
CALL raise_wall('idempotency_key');
GRANT SELECT, INSERT, UPDATE ON idempotency_key TO portico_app;
CALL open_to_worker('idempotency_key', 'SELECT, DELETE');
