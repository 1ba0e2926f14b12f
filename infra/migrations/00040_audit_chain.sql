-- +goose Up
-- The chain of an organization's audit log: docs/audit.md has the format of its
-- hashes, ADR 23 the reasons.
--
-- Each entry gets a salt, also those that exist already: this rewrites the table. The
-- default is 16 random bytes, of which 122 bits are random.
ALTER TABLE audit_entry ADD salt bytea DEFAULT uuid_send(gen_random_uuid()) CHECK (octet_length(salt) = 16);
COMMENT ON COLUMN audit_entry.salt IS
  'Hides the personal fields (actor_name, source_ip, user_agent) in the hash that the chain keeps of them. NULL: they were erased.';
COMMENT ON COLUMN audit_entry.actor_name IS 'The name of the actor at that time. NULL: there was none, or it was erased.';
COMMENT ON COLUMN audit_entry.source_ip IS 'The address from which the request came. NULL: unknown or erased.';
COMMENT ON COLUMN audit_entry.user_agent IS 'The header User-Agent, the first 500 bytes. Empty: there was none, or it was erased.';
COMMENT ON TABLE audit_entry IS
  'Who changed what: one entry per mutation, written in its transaction. Entries do not change, except that a person may be erased. Their columns are json, because jsonb would not keep the bytes.';

CREATE TABLE audit_unchained (
  org_id   uuid NOT NULL,
  entry_id uuid NOT NULL,
  PRIMARY KEY (org_id, entry_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE audit_unchained IS 'The entries that wait for their place in the chain. A trigger adds them in the transaction of the entry.';
COMMENT ON COLUMN audit_unchained.org_id IS 'The organization of the entry.';
COMMENT ON COLUMN audit_unchained.entry_id IS 'The entry, audit_entry.id.';

CREATE TABLE audit_head (
  org_id uuid NOT NULL PRIMARY KEY REFERENCES organization (id),
  number    bigint NOT NULL CHECK (number >= 0),
  hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);
COMMENT ON TABLE audit_head IS 'The end of each chain. The sequencer of an organization locks its row, so there is one at a time.';
COMMENT ON COLUMN audit_head.org_id IS 'The organization. Zeros: the platform, which has a chain in each database.';
COMMENT ON COLUMN audit_head.number IS 'The number of the last entry of the chain. 0: it is empty.';
COMMENT ON COLUMN audit_head.hash IS 'The hash of the last entry of the chain. 32 zero bytes: it is empty.';

CREATE TABLE audit_chain (
  org_id        uuid NOT NULL REFERENCES audit_head (org_id),
  number           bigint NOT NULL CHECK (number > 0),
  entry_id      uuid NOT NULL,
  personal_hash bytea NOT NULL CHECK (octet_length(personal_hash) = 32),
  hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (org_id, number),
  UNIQUE (org_id, entry_id)
);
COMMENT ON TABLE audit_chain IS 'The place of each audit entry in the chain of its organization, with its hash. Rows do not change.';
COMMENT ON COLUMN audit_chain.org_id IS 'The organization of the entry.';
COMMENT ON COLUMN audit_chain.number IS 'The number of the entry, from 1 and without gaps.';
COMMENT ON COLUMN audit_chain.entry_id IS 'The entry, audit_entry.id.';
COMMENT ON COLUMN audit_chain.personal_hash IS 'HMAC-SHA256 of the personal fields of the entry with its salt. It outlives them.';
COMMENT ON COLUMN audit_chain.hash IS 'SHA-256 over the number, the hash before and the entry.';

-- The entries that exist already wait for the chain. portico_owner sees them only
-- while the wall is lifted; the table is locked anyway, since the column was added.
ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_unchained SELECT org_id, id FROM audit_entry;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;

CALL raise_wall('audit_unchained');
CALL raise_wall('audit_head');
CALL raise_wall('audit_chain');
GRANT SELECT, INSERT ON audit_unchained TO portico_app;
GRANT SELECT ON audit_head, audit_chain TO portico_app;
CALL open_to_worker('audit_unchained', 'SELECT, INSERT, DELETE');
CALL open_to_worker('audit_head', 'SELECT, INSERT, UPDATE');
CALL open_to_worker('audit_chain', 'INSERT');
GRANT SELECT ON audit_entry TO portico_worker;
CREATE TRIGGER keep_as_written BEFORE UPDATE OR DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit_chain EXECUTE FUNCTION keep_as_written();

-- await_chain is a trigger, so that no code that inserts entries can forget it, not
-- even the old code that runs during the deployment of this migration.
-- +goose StatementBegin
CREATE FUNCTION await_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_unchained (org_id, entry_id) VALUES (NEW.org_id, NEW.id);
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- portico_owner inserts entries only when it moves an organization, together with
-- the chain and the rows of audit_unchained.
CREATE TRIGGER await_chain AFTER INSERT ON audit_entry FOR EACH ROW WHEN (current_user <> 'portico_owner') EXECUTE FUNCTION await_chain();

-- keep_entry is keep_as_written, but allows the one change that erases a person: it
-- empties all personal fields and the salt, and leaves everything else as it is.
-- noun is left out, because a generated column has no value yet in a trigger.
-- +goose StatementBegin
CREATE FUNCTION keep_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  erased audit_entry := OLD;
  now_is audit_entry := NEW;
BEGIN
  erased.actor_name := NULL;
  erased.source_ip := NULL;
  erased.user_agent := '';
  erased.salt := NULL;
  erased.noun := NULL;
  now_is.noun := NULL;
  IF now_is *= erased THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'rows of % can only be inserted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
DROP TRIGGER keep_as_written ON audit_entry;
CREATE TRIGGER keep_as_written BEFORE DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_as_written();
CREATE TRIGGER keep_entry BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION keep_entry();

-- forget_actor erases the personal fields of up to at_most entries of an actor in the
-- bound organization, and returns of how many; 0: none is left. It is the only way:
-- no role may update the table. The chain stays valid, because it keeps the salted hash.
-- +goose StatementBegin
CREATE FUNCTION forget_actor(actor text, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE forgotten integer;
BEGIN
  UPDATE audit_entry SET actor_name = NULL, source_ip = NULL, user_agent = '', salt = NULL
  WHERE org_id = app_org() AND id = ANY (ARRAY(
    SELECT id FROM audit_entry WHERE org_id = app_org() AND actor_id = actor AND salt IS NOT NULL
    LIMIT at_most));
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION forget_actor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_actor TO portico_app;
