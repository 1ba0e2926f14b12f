-- +goose Up
-- What becomes of mails is counted in several rows for each stream and day, so that
-- sessions that record reports at the same time do not wait for each other's commit.
ALTER TABLE mail_stream_day
  ADD COLUMN shard smallint NOT NULL DEFAULT 0,
  DROP CONSTRAINT mail_stream_day_pkey,
  ADD PRIMARY KEY (stream, day, run, shard);
COMMENT ON COLUMN mail_stream_day.shard IS 'Each session adds to one of 16 rows. The sum counts.';

-- count_mail counts what became of one mail.
CREATE OR REPLACE FUNCTION count_mail(of_stream text, as_delivered integer, as_bounced integer, as_complained integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO mail_stream_day AS d (stream, day, run, shard, delivered, bounced, complained)
  SELECT of_stream, (portico_now() AT TIME ZONE 'UTC')::date, run, pg_backend_pid() % 16, as_delivered, as_bounced, as_complained FROM mail_stream WHERE stream = of_stream
  ON CONFLICT (stream, day, run, shard) DO UPDATE SET
    delivered = d.delivered + excluded.delivered, bounced = d.bounced + excluded.bounced, complained = d.complained + excluded.complained
$$;

-- mail_stream_days returns, for staff and for the rates, what was counted in the last
-- days, the newest first.
CREATE OR REPLACE FUNCTION mail_stream_days(of_stream text, days integer)
RETURNS TABLE (day date, present boolean, delivered bigint, bounced bigint, complained bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT d.day, d.run = s.run, sum(d.delivered)::bigint, sum(d.bounced)::bigint, sum(d.complained)::bigint
  FROM mail_stream s JOIN mail_stream_day d ON d.stream = s.stream
  WHERE s.stream = of_stream AND d.day > (portico_now() AT TIME ZONE 'UTC')::date - days
  GROUP BY d.day, d.run = s.run
  ORDER BY 1 DESC, 2 DESC
$$;

-- The nightly comparison does it with statements of its own.
DROP FUNCTION compare_mail_suppressions;
