-- +goose Up
-- An actor may have millions of entries, so a caller goes through them in steps, and
-- never looks at one again.
DROP FUNCTION forget_actor(text, integer);

-- forget_actor erases the personal fields of up to at_most entries of an actor in the
-- bound organization, in the order of their ids, which lie behind one and below another
-- one. It returns the id of the last one that it has looked at (NULL: there is none
-- left), and of how many it has erased the fields. It is the only way: no role may update
-- the table. The chain stays valid, because it keeps the salted hash.
-- +goose StatementBegin
CREATE FUNCTION forget_actor(actor text, behind uuid, below uuid, at_most integer, OUT last uuid, OUT forgotten integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE entries uuid[];
BEGIN
  entries := ARRAY(
    SELECT e.id FROM audit_entry e
    WHERE e.org_id = app_org() AND e.actor_id = actor AND e.id > behind AND e.id < below
    ORDER BY e.id LIMIT at_most);
  last := entries[cardinality(entries)];
  UPDATE audit_entry e SET actor_name = NULL, source_ip = NULL, user_agent = '', salt = NULL
  WHERE e.org_id = app_org() AND e.id = ANY (entries) AND e.salt IS NOT NULL;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION forget_actor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_actor TO portico_app;
