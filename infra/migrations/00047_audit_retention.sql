-- +goose Up
-- The audit log is kept for as long as the stage says, and by an organization for a
-- shorter time if it wants. Its tables are partitioned by quarter, so that the oldest
-- entries of all organizations go at once. All rows are copied: mutations wait for as
-- long as that takes.
CREATE OR REPLACE FUNCTION partitioned_tables() RETURNS TABLE (tbl text, unit text, step interval, settings text, keep interval)
LANGUAGE sql IMMUTABLE AS $$ VALUES
  ('event', 'month', interval '1 month', NULL, NULL::interval),
  ('webhook_attempt', 'month', interval '1 month', NULL, NULL),
  ('webhook_delivery', 'quarter', interval '3 months',
    'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02', NULL),
  ('job_log', 'month', interval '1 month', NULL, interval '30 days'),
  -- drop_audit_quarter drops these three together; drop_partition never does.
  ('audit_entry', 'quarter', interval '3 months', NULL, interval '1000 years'),
  ('audit_target', 'quarter', interval '3 months', NULL, interval '1000 years'),
  ('audit_chain', 'quarter', interval '3 months', NULL, interval '1000 years')
$$;

-- set_aside renames a table and makes an empty one with its columns, partitioned by id.
-- +goose StatementBegin
CREATE PROCEDURE set_aside(tbl text, key text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %1$I RENAME TO %1$s_before', tbl);
  EXECUTE format('ALTER TABLE %s_before NO FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE TABLE %1$I (LIKE %1$s_before INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (%2$I)', tbl, key);
  EXECUTE format('COMMENT ON TABLE %I IS %L', tbl, obj_description((tbl || '_before')::regclass));
END $$;
-- copy_back copies the rows and drops the old table.
CREATE PROCEDURE copy_back(tbl text) LANGUAGE plpgsql AS $$
DECLARE columns text := (
  SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
  WHERE attrelid = tbl::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
  EXECUTE format('INSERT INTO %1$I (%2$s) SELECT %2$s FROM %1$s_before', tbl, columns);
  EXECUTE format('DROP TABLE %s_before', tbl);
  EXECUTE format('CALL raise_wall(%L)', tbl);
END $$;
-- +goose StatementEnd
CALL set_aside('audit_entry', 'id');
CALL set_aside('audit_target', 'entry_id');
CALL set_aside('audit_chain', 'entry_id');
SELECT make_partitions(least(portico_now(), (SELECT min(created_at) FROM audit_entry_before)));
CALL copy_back('audit_entry');
CALL copy_back('audit_target');
CALL copy_back('audit_chain');
DROP PROCEDURE set_aside;
DROP PROCEDURE copy_back;

ALTER TABLE audit_entry ADD PRIMARY KEY (org_id, id), ADD FOREIGN KEY (org_id) REFERENCES organization (id);
CREATE INDEX audit_entry_action ON audit_entry (org_id, action, id);
CREATE INDEX audit_entry_noun ON audit_entry (org_id, noun, id);
CREATE INDEX audit_entry_actor ON audit_entry (org_id, actor_id, id);
CREATE INDEX audit_entry_category ON audit_entry (org_id, category, id);
CREATE INDEX audit_entry_request ON audit_entry (org_id, request_id, id);
CREATE INDEX audit_entry_outcome ON audit_entry (org_id, outcome, id);
ALTER TABLE audit_target ADD PRIMARY KEY (org_id, target_id, entry_id);
-- A number is unique because the sequencer holds the head. Postgres could only check it
-- within a partition.
ALTER TABLE audit_chain ADD PRIMARY KEY (org_id, number, entry_id), ADD UNIQUE (org_id, entry_id),
  ADD FOREIGN KEY (org_id) REFERENCES audit_head (org_id);
GRANT SELECT, INSERT ON audit_entry, audit_target TO portico_app;
GRANT SELECT ON audit_chain TO portico_app;
CALL open_to_worker('audit_entry', 'SELECT, INSERT');
CALL open_to_worker('audit_target', 'INSERT');
CALL open_to_worker('audit_chain', 'INSERT');
CREATE TRIGGER await_chain AFTER INSERT ON audit_entry FOR EACH ROW WHEN (current_user <> 'portico_owner') EXECUTE FUNCTION await_chain();
CREATE TRIGGER keep_entry BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_entry();
CREATE TRIGGER keep_as_written BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_target FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_target EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_chain EXECUTE FUNCTION keep_as_written();

ALTER TABLE audit_head ADD first bigint NOT NULL DEFAULT 1 CHECK (first BETWEEN 1 AND number + 1),
  ADD hash_before bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash_before) = 32);
COMMENT ON COLUMN audit_head.first IS 'The number of the first entry that is kept. Those before it were older than they are kept.';
COMMENT ON COLUMN audit_head.hash_before IS 'The hash of the entry before the first one. 32 zero bytes: there was none.';

-- audit_retentions returns the organizations that have set for how many days they keep
-- their audit log: those that are not closed, live here and are not moving.
CREATE FUNCTION audit_retentions() RETURNS TABLE (org_id uuid, days integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, (o.settings ->> 'audit_retention_days')::numeric::integer
  FROM organization o
  WHERE jsonb_typeof(o.settings -> 'audit_retention_days') = 'number' AND o.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.until > portico_now())
$$;

-- trim_audit removes up to at_most of the first entries of an organization's chain that
-- are older than keep and in the archive, and returns how many. The chain then begins
-- behind them. It removes none while the organization moves. An audit log is kept for at
-- least a day.
-- +goose StatementBegin
CREATE FUNCTION trim_audit(org uuid, keep interval, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  head audit_head;
  oldest_kept uuid := uuid_floor(portico_now() - greatest(keep, interval '1 day'));
  gone uuid[];
  last bigint;
  last_hash bytea;
BEGIN
  PERFORM bind_organization(org, true), set_config('app.erase_org', org::text, true), set_config('lock_timeout', '2s', true);
  SELECT * INTO head FROM audit_head WHERE org_id = org FOR NO KEY UPDATE;
  IF NOT FOUND OR EXISTS (SELECT FROM placement p WHERE p.org_id = org AND p.until > portico_now()) THEN
    RETURN 0;
  END IF;
  SELECT array_agg(entry_id), max(number), (array_agg(hash ORDER BY number DESC))[1] INTO gone, last, last_hash FROM (
    SELECT number, entry_id, hash, bool_or(entry_id >= oldest_kept) OVER (ORDER BY number) AS stays FROM (
      SELECT number, entry_id, hash FROM audit_chain WHERE org_id = org AND number BETWEEN head.first AND head.archived ORDER BY number LIMIT at_most) AS c) AS c
  WHERE NOT stays;
  IF gone IS NULL THEN
    RETURN 0;
  END IF;
  DELETE FROM audit_target WHERE org_id = org AND entry_id = ANY (gone);
  DELETE FROM audit_entry WHERE org_id = org AND id = ANY (gone);
  DELETE FROM audit_chain WHERE org_id = org AND number BETWEEN head.first AND last;
  UPDATE audit_head SET first = last + 1, hash_before = last_hash WHERE org_id = org;
  RETURN cardinality(gone);
END $$;
-- +goose StatementEnd

-- expired_audit_quarters lists the quarters in which every entry is older than keep, the
-- oldest first.
CREATE FUNCTION expired_audit_quarters(keep interval) RETURNS TABLE (quarter text, since timestamptz, till timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT right(c.relname, 7), begun.at, ended.at
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC') AS begun (at)
  CROSS JOIN LATERAL (SELECT (begun.at AT TIME ZONE 'UTC' + interval '3 months') AT TIME ZONE 'UTC') AS ended (at)
  WHERE i.inhparent = 'audit_entry'::regclass AND ended.at <= portico_now() - keep
  ORDER BY ended.at
$$;

-- drop_audit_quarter drops an expired quarter of the audit log, and moves the beginning
-- of each chain behind it. It returns false if an entry of the quarter is not chained or
-- not in the archive. Like drop_partition it gives up after a tenth of a second if the tables are in use.
CREATE POLICY lookup ON audit_chain FOR SELECT TO portico_owner USING (true);
CREATE POLICY lookup ON audit_head FOR SELECT TO portico_owner USING (true);
CREATE POLICY lookup ON audit_unchained FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION drop_audit_quarter(name text, keep interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q record;
  head record;
  tbl text;
BEGIN
  SELECT * INTO q FROM expired_audit_quarters(greatest(keep, interval '1 day')) WHERE quarter = name;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not a quarter that has expired', name;
  END IF;
  PERFORM set_config('lock_timeout', '5s', true);
  LOCK TABLE placement IN SHARE MODE;
  IF EXISTS (SELECT FROM placement WHERE until > portico_now() AND state <> 'left')
    OR EXISTS (SELECT FROM audit_unchained WHERE entry_id >= uuid_floor(q.since) AND entry_id < uuid_floor(q.till))
    OR EXISTS (SELECT FROM audit_chain c JOIN audit_head h ON h.org_id = c.org_id
      WHERE c.entry_id >= uuid_floor(q.since) AND c.entry_id < uuid_floor(q.till) AND c.number > h.archived) THEN
    RETURN false;
  END IF;
  FOR head IN
    SELECT DISTINCT ON (org_id) org_id, number, hash FROM audit_chain
    WHERE entry_id >= uuid_floor(q.since) AND entry_id < uuid_floor(q.till) ORDER BY org_id, number DESC
  LOOP
    PERFORM bind_organization(head.org_id, true);
    UPDATE audit_head SET first = head.number + 1, hash_before = head.hash WHERE org_id = head.org_id AND first <= head.number;
  END LOOP;
  PERFORM set_config('lock_timeout', '100ms', true);
  FOREACH tbl IN ARRAY ARRAY['audit_chain', 'audit_target', 'audit_entry'] LOOP
    EXECUTE format('LOCK TABLE ONLY %I, ONLY %I IN ACCESS EXCLUSIVE MODE', tbl, tbl || '_' || q.quarter);
    EXECUTE format('DROP TABLE %I', tbl || '_' || q.quarter);
  END LOOP;
  RETURN true;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION audit_retentions, trim_audit, drop_audit_quarter FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_retentions, trim_audit, drop_audit_quarter TO portico_worker;
