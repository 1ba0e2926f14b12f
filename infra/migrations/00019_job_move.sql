-- +goose Up
-- A job that runs while its organization moves is copied with its lease, which nobody
-- renews here, because its runner is in the old database. When it ends, that is no
-- crash of a runner. A lease counts as a crash only if its work has begun.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION open_arrival(org uuid, came_from text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM bind_organization(org, true);
  DELETE FROM placement WHERE org_id = org AND state = 'arriving' AND database = came_from;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE job SET started_at = NULL WHERE org_id = org AND started_at IS NOT NULL;
  RETURN true;
END $$;
-- +goose StatementEnd
