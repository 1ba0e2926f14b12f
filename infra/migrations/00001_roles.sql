-- +goose Up
-- The files of this folder are the schema, in the order of their numbers. From
-- now on they only grow: a database applies each file once, so a file is never
-- changed, and every change is a file of its own. (frozen_test.go notices.)
--
-- The roles themselves are made by migrations.Apply, because they belong to
-- the cluster and outlive any one database. Here they get their first rights.
-- portico_owner owns everything and cannot log in; migrations run as it.
-- portico_app serves requests behind row-level security.
-- portico_worker dispatches and relays across organizations.
GRANT USAGE ON SCHEMA public TO portico_app, portico_worker;

CREATE TABLE clock (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  clock_offset interval NOT NULL DEFAULT '0'
);
COMMENT ON TABLE clock IS 'How far portico_now(), the clock of every query, is ahead of the database''s clock. Only tests and the local stack change it: portico_app and portico_worker may not write it.';
COMMENT ON COLUMN clock.only_row IS 'Always true, so that there is only one row.';
COMMENT ON COLUMN clock.clock_offset IS 'How far portico_now() is ahead of the clock of the database.';
INSERT INTO clock DEFAULT VALUES;
GRANT SELECT ON clock TO portico_app, portico_worker;

-- +goose StatementBegin
-- plpgsql keeps its plan for the session; a function in SQL would be planned
-- anew in every statement, which costs seven times as much.
CREATE FUNCTION portico_now() RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN pg_catalog.now() + (SELECT clock_offset FROM clock);
END $$;
-- +goose StatementEnd

-- app_org returns the organization that bind_organization bound to this
-- transaction. It raises when none is bound: an unscoped query fails loudly
-- instead of finding nothing. After a transaction the setting is '' and not NULL.
-- +goose StatementBegin
CREATE FUNCTION app_org() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE bound text := current_setting('app.org_id', true);
BEGIN
  IF bound IS NULL OR bound = '' THEN
    RAISE EXCEPTION 'no organization bound to this transaction' USING ERRCODE = '42501';
  END IF;
  RETURN bound::uuid;
END $$;
-- +goose StatementEnd

-- raise_wall puts a table behind the tenant wall: portico_app sees and writes
-- rows of its bound organization only, whatever other policies are added. The
-- wall is RESTRICTIVE, because permissive policies are OR-ed.
--
-- portico_owner reaches the rows of a bound organization only, too: for erasing
-- it. So a migration that reads or changes rows of a walled table fails loudly
-- instead of finding none. Such a migration says ALTER TABLE … NO FORCE ROW
-- LEVEL SECURITY before, and FORCE ROW LEVEL SECURITY after (upgrade_test.go).
-- +goose StatementBegin
CREATE PROCEDURE raise_wall(tbl regclass, org_column text DEFAULT 'org_id')
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY wall ON %s AS RESTRICTIVE TO portico_app
    USING (%2$I = (SELECT app_org())) WITH CHECK (%2$I = (SELECT app_org()))', tbl, org_column);
  EXECUTE format('CREATE POLICY app ON %s TO portico_app USING (true) WITH CHECK (true)', tbl);
  EXECUTE format('CREATE POLICY erase ON %s TO portico_owner
    USING (%2$I = (SELECT app_org())) WITH CHECK (%2$I = (SELECT app_org()))', tbl, org_column);
END $$;
-- +goose StatementEnd

-- open_to_worker lets portico_worker reach a walled table across organizations.
-- +goose StatementBegin
CREATE PROCEDURE open_to_worker(tbl regclass, rights text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE POLICY worker ON %s TO portico_worker USING (true) WITH CHECK (true)', tbl);
  EXECUTE format('GRANT %s ON %s TO portico_worker', rights, tbl);
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON PROCEDURE raise_wall, open_to_worker FROM PUBLIC;
