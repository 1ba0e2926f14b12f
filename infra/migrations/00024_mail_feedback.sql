-- +goose Up
-- What mail services report: bounces and complaints, the addresses that get no mail
-- because of them, and how often they happen.
ALTER TABLE mail ADD COLUMN bounce text CHECK (bounce IN ('permanent', 'transient', 'undetermined'));
COMMENT ON COLUMN mail.bounce IS
  'How it bounced. permanent: the address does not exist. transient: it could not be reached. undetermined: the service does not know. NULL: it did not, or it was refused for what it says.';
COMMENT ON COLUMN mail.data IS 'The data of the template, sealed. NULL: the mail is made, or nobody gets it, and they are forgotten.';

-- An entry has the same id in every database.
ALTER TABLE mail_suppression
  ADD COLUMN id uuid NOT NULL GENERATED ALWAYS AS (md5(reason || ' ' || recipient)::uuid) STORED,
  ADD COLUMN note text NOT NULL DEFAULT '',
  ADD COLUMN entered_by text,
  ADD COLUMN seen_at timestamptz;
COMMENT ON COLUMN mail_suppression.id IS 'Shown as sup_…. It is made of the other columns, so it is the same in every database.';
COMMENT ON COLUMN mail_suppression.note IS 'Why it was entered, for people.';
COMMENT ON COLUMN mail_suppression.entered_by IS 'Who entered it, in the form of audit_entry.actor_id. NULL: Portico itself.';
COMMENT ON COLUMN mail_suppression.seen_at IS 'When the nightly comparison last found the address in the list of the mail service. NULL: never.';
CREATE UNIQUE INDEX mail_suppression_id ON mail_suppression (id);
CREATE INDEX mail_suppression_address ON mail_suppression (recipient COLLATE "C", reason COLLATE "C");
CREATE INDEX mail_suppression_end ON mail_suppression (ends_at) WHERE ends_at IS NOT NULL;

-- suppress_mail enters an address. Entered again, it ends at the later end.
CREATE FUNCTION suppress_mail(of_recipient text, of_reason text, of_note text, by_whom text, of_end timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO mail_suppression AS s (recipient, reason, note, entered_by, ends_at) VALUES (lower(of_recipient), of_reason, of_note, by_whom, of_end)
  ON CONFLICT (recipient, reason) DO UPDATE SET note = excluded.note, entered_by = excluded.entered_by,
    created_at = CASE WHEN s.ends_at <= portico_now() THEN excluded.created_at ELSE s.created_at END,
    ends_at = CASE WHEN s.ends_at IS NOT NULL THEN greatest(s.ends_at, excluded.ends_at) END
$$;

-- unsuppress_mail removes an entry and returns whether it was there.
-- +goose StatementBegin
CREATE FUNCTION unsuppress_mail(of_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM mail_suppression WHERE id = of_id;
  RETURN FOUND;
END $$;
-- +goose StatementEnd

-- list_mail_suppressions lists, for staff, the entries that are in effect, by address.
-- Of several conditions the first that is not NULL counts: one entry, or those of one
-- address, or those whose address starts like this, behind the last of the page before.
-- +goose StatementBegin
CREATE FUNCTION list_mail_suppressions(of_id uuid, of_recipient text, starts text, after_recipient text, after_reason text, at_most integer)
RETURNS TABLE (id uuid, recipient text, reason text, note text, entered_by text, created_at timestamptz, ends_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT id, recipient, reason, note, entered_by, created_at, ends_at FROM mail_suppression
    WHERE (ends_at IS NULL OR ends_at > portico_now()) AND %s
    ORDER BY recipient COLLATE "C", reason COLLATE "C" LIMIT $6
    $query$, CASE
      WHEN of_id IS NOT NULL THEN 'id = $1'
      WHEN of_recipient IS NOT NULL THEN 'recipient = lower($2) AND (recipient COLLATE "C", reason COLLATE "C") > ($4, $5)'
      ELSE '(recipient COLLATE "C", reason COLLATE "C") > ($4, $5) AND recipient COLLATE "C" >= lower($3) AND recipient COLLATE "C" < lower($3) || chr(1114111)' END)
  USING of_id, of_recipient, starts, after_recipient, after_reason, at_most;
END $$;
-- +goose StatementEnd

-- transient_bounces counts the recent mails to an address, of all organizations, that
-- could not be delivered. It reads the newest thousand mails to it at most.
CREATE FUNCTION transient_bounces(of_recipient text, since timestamptz) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(*) FROM (
    SELECT org_id, bounce, status_at FROM mail WHERE lower(recipient) = lower(of_recipient) ORDER BY created_at DESC, id DESC LIMIT 1000) m
  WHERE m.bounce = 'transient' AND m.status_at > since
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = m.org_id AND p.state IN ('left', 'arriving'))
$$;

CREATE TABLE mail_stream (
  stream     text PRIMARY KEY CHECK (stream IN ('product', 'marketing')),
  run        integer NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE mail_stream IS 'The streams of mails.';
COMMENT ON COLUMN mail_stream.stream IS 'product: people wait for it. marketing: they do not.';
COMMENT ON COLUMN mail_stream.run IS 'Counts how often the stream was resumed: rates are those of the present run.';
COMMENT ON COLUMN mail_stream.updated_at IS 'When the run began.';
INSERT INTO mail_stream (stream) VALUES ('product'), ('marketing');

CREATE TABLE mail_stream_day (
  stream     text NOT NULL REFERENCES mail_stream,
  day        date NOT NULL,
  run        integer NOT NULL,
  delivered  bigint NOT NULL DEFAULT 0,
  bounced    bigint NOT NULL DEFAULT 0,
  complained bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (stream, day, run)
);
COMMENT ON TABLE mail_stream_day IS 'What became of the mails of a stream on a day, as the mail service reported it on that day.';
COMMENT ON COLUMN mail_stream_day.stream IS 'The stream.';
COMMENT ON COLUMN mail_stream_day.day IS 'The day, in UTC.';
COMMENT ON COLUMN mail_stream_day.run IS 'The run of the stream.';
COMMENT ON COLUMN mail_stream_day.delivered IS 'How many mails arrived.';
COMMENT ON COLUMN mail_stream_day.bounced IS 'How many bounced for good.';
COMMENT ON COLUMN mail_stream_day.complained IS 'How many were reported as spam.';
GRANT SELECT ON mail_stream, mail_stream_day TO portico_worker;
GRANT DELETE ON mail_stream_day TO portico_worker;

-- count_mail counts what became of one mail.
CREATE FUNCTION count_mail(of_stream text, as_delivered integer, as_bounced integer, as_complained integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO mail_stream_day AS d (stream, day, run, delivered, bounced, complained)
  SELECT of_stream, (portico_now() AT TIME ZONE 'UTC')::date, run, as_delivered, as_bounced, as_complained FROM mail_stream WHERE stream = of_stream
  ON CONFLICT (stream, day, run) DO UPDATE SET
    delivered = d.delivered + excluded.delivered, bounced = d.bounced + excluded.bounced, complained = d.complained + excluded.complained
$$;

-- mail_stream_days returns, for staff and for the rates, what was counted in the last
-- days, the newest first.
CREATE FUNCTION mail_stream_days(of_stream text, days integer)
RETURNS TABLE (day date, present boolean, delivered bigint, bounced bigint, complained bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT d.day, d.run = s.run, d.delivered, d.bounced, d.complained
  FROM mail_stream s JOIN mail_stream_day d ON d.stream = s.stream
  WHERE s.stream = of_stream AND d.day > (portico_now() AT TIME ZONE 'UTC')::date - days
  ORDER BY d.day DESC, d.run DESC
$$;

-- begin_mail_stream begins the next run of a stream.
CREATE FUNCTION begin_mail_stream(of_stream text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE mail_stream SET run = run + 1, updated_at = portico_now() WHERE stream = of_stream
$$;
REVOKE EXECUTE ON FUNCTION suppress_mail, unsuppress_mail, list_mail_suppressions, transient_bounces, count_mail, mail_stream_days, begin_mail_stream FROM PUBLIC;
GRANT EXECUTE ON FUNCTION suppress_mail, unsuppress_mail, list_mail_suppressions, transient_bounces, count_mail, mail_stream_days, begin_mail_stream TO portico_app;
