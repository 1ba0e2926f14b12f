-- +goose Up
-- Who changed what: one entry per mutation, written in its transaction. Entries
-- are kept as they were written; json and not jsonb, because it keeps its bytes.
--
-- Later work has its place here. A chain is a table of its own beside this one
-- (org_id, seq, entry_id, prev_hash, hash), which one sequencer per organization
-- writes after the commit, so that no mutation waits for another's lock; archive
-- and streams read along that seq.
CREATE TABLE audit_entry (
  org_id     uuid NOT NULL REFERENCES organization (id),
  id         uuid NOT NULL,
  action     text NOT NULL,  -- <noun>.<verb>
  noun       text NOT NULL GENERATED ALWAYS AS (split_part(action, '.', 1)) STORED,
  actor_type text NOT NULL CHECK (actor_type IN ('api_key', 'staff_key', 'system')),
  actor_id   text NOT NULL,
  actor_name text,           -- at that time
  targets    json NOT NULL,  -- [{"type","id"}]
  before     json,           -- allow-listed fields; NULL: there was nothing
  after      json,
  request_id text NOT NULL,
  source_ip  inet,
  user_agent text NOT NULL,
  outcome    text NOT NULL DEFAULT 'success' CHECK (outcome IN ('success', 'failure')),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, id)
);
-- The list's filters. Behind the wall only equality and order of plain columns
-- use an index, because other operators might leak: hence the column noun.
CREATE INDEX audit_entry_action ON audit_entry (org_id, action, id);
CREATE INDEX audit_entry_noun ON audit_entry (org_id, noun, id);
CREATE INDEX audit_entry_actor ON audit_entry (org_id, actor_id, id);

-- Which entries name a target: the index of targets.
CREATE TABLE audit_target (
  org_id    uuid NOT NULL,
  target_id text NOT NULL,
  entry_id  uuid NOT NULL,
  PRIMARY KEY (org_id, target_id, entry_id)
);
CALL raise_wall('audit_entry');
CALL raise_wall('audit_target');
GRANT SELECT, INSERT ON audit_entry, audit_target TO portico_app;
CALL open_to_worker('audit_entry', 'INSERT');
CALL open_to_worker('audit_target', 'INSERT');

-- Not even the owner changes an entry by accident. What erases a whole
-- organization says so first: set_config('app.erase_org', <its id>, true).
-- +goose StatementBegin
CREATE FUNCTION keep_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE' AND current_setting('app.erase_org', true) = OLD.org_id::text THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_target FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_target EXECUTE FUNCTION keep_as_written();

-- An event is the record of its own publication, so a publish writes no entry:
-- the event names the actor, as audit_entry.actor_id does. NULL: Portico itself.
ALTER TABLE event ADD published_by text;
