-- +goose Up
-- Organizations: their rows, the database in which each lives, erasing and
-- listing them, their domains and their Idempotency-Keys.

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

-- The upkeep erases closed organizations. It sees the ids of these, and nothing
-- of any other organization.
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
  'left: it has moved to the other database, and may have moved on from there. arriving: it is moving here from the other database.';
COMMENT ON COLUMN placement.database IS 'The name of the other database.';
COMMENT ON COLUMN placement.until IS 'When draining or leaving ends by itself, if the program that moves the organization has died.';
CALL raise_wall('placement');
GRANT SELECT ON placement TO portico_app;
CALL open_to_worker('placement', 'SELECT');

-- bind_organization binds the transaction to an organization, or raises
--   PTLFT  if it lives in another database, which the detail names: it has moved
--          there, or has not yet arrived from there
--   PTMOV  if it is leaving: try again in a moment
-- With wherever it never raises: moving and erasing reach an organization's rows
-- in every database.
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
    RAISE EXCEPTION 'organization % is moving to another database', org USING ERRCODE = 'PTMOV';
  END IF;
  RAISE EXCEPTION 'organization % lives in another database', org USING ERRCODE = 'PTLFT', DETAIL = place.database;
END $$;
-- +goose StatementEnd

-- open_arrival ends the arrival of an organization from another database, so
-- that this database serves it. It returns whether the organization was arriving.
-- The sweep calls it if the program that moves the organization has died after
-- the move was decided.
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

-- erase_organization also erases the rows of an organization that has left or did
-- not arrive. The placement that says that it has left stays until the organization
-- is deleted in the database where it lives; then forget_placement deletes it.
CREATE FUNCTION forget_placement() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM placement WHERE org_id = app_org() AND state = 'left' AND NOT EXISTS (SELECT FROM organization WHERE id = app_org())
$$;
REVOKE EXECUTE ON FUNCTION forget_placement FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_placement TO portico_app;

-- erase_organization removes up to at_most rows of the bound organization from
-- one table, and returns how many. The organization must be marked as deleted or
-- live in another database. Tables that refer to others come first. When they are
-- all empty, it removes the organization's own row and returns 0. It finds the
-- tables in the catalogue, so none is forgotten.
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
  PERFORM set_config('app.erase_org', org::text, true);  -- keep_as_written then lets audit entries be deleted
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

-- list_organizations lists, for staff, the organizations that are not closed and
-- live here, the newest first, and nothing that they own. The arguments are the
-- last organization of the page before and how a name must start. It reads
-- through a policy for portico_owner, which cannot log in. The list is not in the
-- order of ids, because some ids do not contain their time.
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

-- The foreign key is deferred for two reasons: a request that creates an
-- organization claims its key before the organization's row exists, and a claim
-- then locks the organization only at the commit.
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
COMMENT ON COLUMN idempotency_key.caller IS 'Who sent the request. The same key from another caller is a different key.';
COMMENT ON COLUMN idempotency_key.operation IS 'The id of the operation. The same key at another operation is a different key.';
COMMENT ON COLUMN idempotency_key.key IS 'The header Idempotency-Key, as sent.';
COMMENT ON COLUMN idempotency_key.body_hash IS 'SHA-256 of the path and the body of the request. Another request with the same key is refused.';
COMMENT ON COLUMN idempotency_key.reply IS 'The reply for a repeated request, sealed, because some replies hold a secret. NULL: the first request has not finished.';
COMMENT ON COLUMN idempotency_key.created_at IS 'When the key was claimed.';
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
CALL raise_wall('idempotency_key');
GRANT SELECT, INSERT, UPDATE ON idempotency_key TO portico_app;
CALL open_to_worker('idempotency_key', 'SELECT, DELETE');
