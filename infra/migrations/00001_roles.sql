-- +goose Up
-- The files of this folder make the schema, in the order of their numbers. A
-- database applies each file once. So a file is never changed: every change of
-- the schema is a new file. frozen_test.go checks this.
--
-- migrations.Apply creates the roles, because a role belongs to the cluster and
-- not to one database. This file gives them their first rights.
-- portico_owner owns everything and cannot log in; migrations run as it.
-- portico_app serves requests behind row-level security.
-- portico_worker dispatches and does the upkeep, for all organizations.
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
-- again in every statement, which costs seven times as much.
CREATE FUNCTION portico_now() RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN pg_catalog.now() + (SELECT clock_offset FROM clock);
END $$;
-- +goose StatementEnd

-- app_org returns the organization that bind_organization bound to this
-- transaction. It raises an error when none is bound, so that such a query fails
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
-- only rows of its bound organization, whatever other policies are added. The
-- policy is RESTRICTIVE, because Postgres joins permissive policies with OR.
--
-- portico_owner, too, reaches only the rows of a bound organization; it needs
-- them to erase the organization. So a migration that reads or changes rows
-- behind the wall fails instead of finding none. It must run ALTER TABLE … NO
-- FORCE ROW LEVEL SECURITY before, and FORCE ROW LEVEL SECURITY after that
-- (upgrade_test.go).
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

-- open_to_worker opens a table behind the wall to portico_worker, with the rows
-- of all organizations.
-- +goose StatementBegin
CREATE PROCEDURE open_to_worker(tbl regclass, rights text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE POLICY worker ON %s TO portico_worker USING (true) WITH CHECK (true)', tbl);
  EXECUTE format('GRANT %s ON %s TO portico_worker', rights, tbl);
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON PROCEDURE raise_wall, open_to_worker FROM PUBLIC;
