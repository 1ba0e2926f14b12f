-- +goose Up
-- An organization may keep its events for a shorter time than the stage does. The
-- daily upkeep deletes them.

-- event_retentions returns the organizations that have set how many days they keep
-- events: those that are not closed, live here and are not moving. The upkeep sees
-- nothing else of them.
CREATE FUNCTION event_retentions() RETURNS TABLE (org_id uuid, days integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, (o.settings ->> 'event_retention_days')::numeric::integer
  FROM organization o
  WHERE jsonb_typeof(o.settings -> 'event_retention_days') = 'number' AND o.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.until > portico_now())
$$;
REVOKE EXECUTE ON FUNCTION event_retentions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_retentions TO portico_worker;

GRANT DELETE ON event, webhook_delivery, webhook_attempt TO portico_worker;
-- To lock an event needs the right to change it.
GRANT UPDATE (expunged_at) ON event TO portico_worker;
