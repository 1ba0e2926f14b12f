-- +goose Up
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
