-- +goose Up
-- The function that publishes keeps an organization's subscriptions in memory; the
-- transaction of each publish checks that they have not changed.

ALTER TABLE webhook_endpoint ADD revision bigint NOT NULL DEFAULT 1 + floor(random() * 1000000)::bigint;
COMMENT ON COLUMN webhook_endpoint.revision IS 'Grows by a random number with each change that affects which events the endpoint gets. So the sum over an organization grows with each change that commits, and a restored database does not reach a sum that was used before.';

-- A trigger, so that no statement that changes an endpoint can forget it.
-- +goose StatementBegin
CREATE FUNCTION raise_endpoint_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.event_types, OLD.filter, OLD.ordered, OLD.status, OLD.deleted_at)
    IS DISTINCT FROM (NEW.event_types, NEW.filter, NEW.ordered, NEW.status, NEW.deleted_at) THEN
    NEW.revision := OLD.revision + 1 + floor(random() * 1000000)::bigint;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER revision BEFORE UPDATE ON webhook_endpoint FOR EACH ROW EXECUTE FUNCTION raise_endpoint_revision();

-- expect_subscriptions raises PTSTL unless the sum of the bound organization's
-- revisions is the expected one. It is in plpgsql, which keeps its plan; a function
-- in SQL would be planned again in each statement.
-- +goose StatementBegin
CREATE FUNCTION expect_subscriptions(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  org uuid := app_org();
BEGIN
  IF (SELECT coalesce(sum(revision), 0)::bigint FROM webhook_endpoint WHERE org_id = org) <> expected THEN
    RAISE EXCEPTION 'the subscriptions have changed' USING ERRCODE = 'PTSTL';
  END IF;
END $$;
-- +goose StatementEnd
