-- +goose Up
-- A session may have all seven factors.
ALTER TABLE user_event DROP CONSTRAINT user_event_method_check, ADD CONSTRAINT user_event_method_check CHECK (length(method) <= 100) NOT VALID;
COMMENT ON TABLE user_event IS 'What happened to a user''s account: the history that the user sees. A row is never changed, and goes with the user''s row in user_login, or after a year.';

-- refuse_session writes into a user's history that somebody was not let in with the user's
-- address. For an address of nobody it writes nothing, with the same statement.
CREATE FUNCTION refuse_session(address text, event uuid, by_method text, from_ip inet, with_agent text, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO user_event (user_id, id, action, method, source_ip, user_agent, created_at)
  SELECT l.user_id, event, 'session.refuse', by_method, from_ip, with_agent, at
  FROM user_account u JOIN user_login l ON l.user_id = u.id WHERE lower(u.email) = lower(address)
$$;
REVOKE EXECUTE ON FUNCTION refuse_session FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refuse_session TO portico_identity;

-- history_until is until when the history has been forgotten: a year ago.
CREATE FUNCTION history_until() RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT portico_now() - interval '1 year' $$;

-- keep_history prevents even portico_owner from changing the history by accident.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE'
    AND (OLD.created_at < history_until() OR NOT EXISTS (SELECT FROM user_login WHERE user_id = OLD.user_id)) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'rows of % can only be inserted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
-- +goose StatementEnd
CREATE INDEX user_event_created ON user_event (created_at);

-- forget_history deletes up to at_most rows of histories that are older than a year.
CREATE FUNCTION forget_history(at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM user_event WHERE (user_id, id) IN (SELECT user_id, id FROM user_event WHERE created_at < history_until() ORDER BY created_at LIMIT at_most)
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION forget_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_history TO portico_worker;

-- forget_unproven deletes up to at_most logins whose address was not proven within a week:
-- the process has died while they were made. Users without a membership go with them.
CREATE FUNCTION forget_unproven(at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (
    DELETE FROM user_login WHERE user_id IN (
      SELECT user_id FROM user_login WHERE email_verified_at IS NULL AND created_at < portico_now() - interval '7 days' LIMIT at_most FOR UPDATE SKIP LOCKED)
      AND email_verified_at IS NULL
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION forget_unproven FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_unproven TO portico_worker;
CREATE INDEX user_login_unproven ON user_login (created_at) WHERE email_verified_at IS NULL;
