-- +goose Up
-- Addresses that get no mail: a page of the list reads no more rows than it has, and
-- what was removed is remembered until the mail service has removed it too.

-- Entries that have ended are listed until the daily upkeep removes them. Otherwise many
-- of them in a row would be read for a page that has none.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION list_mail_suppressions(of_id uuid, of_recipient text, starts text, after_recipient text, after_reason text, at_most integer)
RETURNS TABLE (id uuid, recipient text, reason text, note text, entered_by text, created_at timestamptz, ends_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT id, recipient, reason, note, entered_by, created_at, ends_at FROM mail_suppression
    WHERE %s
    ORDER BY recipient COLLATE "C", reason COLLATE "C" LIMIT $6
    $query$, CASE
      WHEN of_id IS NOT NULL THEN 'id = $1'
      WHEN of_recipient IS NOT NULL THEN 'recipient = lower($2) AND (recipient COLLATE "C", reason COLLATE "C") > ($4, $5)'
      ELSE '(recipient COLLATE "C", reason COLLATE "C") > ($4, $5) AND recipient COLLATE "C" >= lower($3) AND recipient COLLATE "C" < lower($3) || chr(1114111)' END)
  USING of_id, of_recipient, starts, after_recipient, after_reason, at_most;
END $$;
-- +goose StatementEnd

-- The nightly comparison needs to know what was removed here, not what it has seen.
ALTER TABLE mail_suppression DROP COLUMN seen_at;
COMMENT ON COLUMN mail_suppression.recipient IS 'The mail address, in lower case, the domain in ASCII.';
COMMENT ON COLUMN mail.recipient IS 'The mail address, the domain in ASCII.';

CREATE TABLE mail_suppression_lifted (
  recipient text PRIMARY KEY CHECK (recipient = lower(recipient)),
  lifted_at timestamptz NOT NULL DEFAULT portico_now()
);
COMMENT ON TABLE mail_suppression_lifted IS 'Addresses that may get mail again, so that the nightly comparison does not enter them because the mail service still has them. For all organizations.';
COMMENT ON COLUMN mail_suppression_lifted.recipient IS 'The mail address, in lower case, the domain in ASCII.';
COMMENT ON COLUMN mail_suppression_lifted.lifted_at IS 'When its entry was removed. What the mail service enters later counts.';
CREATE INDEX mail_suppression_lifted_at ON mail_suppression_lifted (lifted_at);
GRANT SELECT, DELETE ON mail_suppression_lifted TO portico_worker;

-- unsuppress_mail removes an entry and returns whether it was there.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION unsuppress_mail(of_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE removed mail_suppression;
BEGIN
  DELETE FROM mail_suppression WHERE id = of_id RETURNING * INTO removed;
  IF removed.reason IN ('bounce', 'complaint') THEN -- those that mail services have too
    INSERT INTO mail_suppression_lifted (recipient) VALUES (removed.recipient)
    ON CONFLICT (recipient) DO UPDATE SET lifted_at = portico_now();
  END IF;
  RETURN removed.id IS NOT NULL;
END $$;
-- +goose StatementEnd

-- compare_mail_suppressions enters addresses that a mail service has in its list, unless
-- they were removed here since the service entered them. It returns those of the latter
-- that the service has to remove: no other entry keeps them there.
-- +goose StatementBegin
CREATE FUNCTION compare_mail_suppressions(recipients text[], reasons text[], entered_at timestamptz[]) RETURNS TABLE (recipient text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO mail_suppression (recipient, reason, note)
  SELECT recipient, reason, 'The mail service has it in its list.' FROM unnest(recipients, reasons, entered_at) AS p (recipient, reason, entered_at)
  WHERE NOT EXISTS (SELECT FROM mail_suppression_lifted l WHERE l.recipient = p.recipient AND l.lifted_at >= p.entered_at)
  ORDER BY recipient, reason
  ON CONFLICT (recipient, reason) DO NOTHING;
  RETURN QUERY SELECT DISTINCT p.recipient FROM unnest(recipients, entered_at) AS p (recipient, entered_at)
  JOIN mail_suppression_lifted l ON l.recipient = p.recipient AND l.lifted_at >= p.entered_at
  WHERE NOT EXISTS (SELECT FROM mail_suppression s WHERE s.recipient = p.recipient AND s.reason IN ('bounce', 'complaint'));
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION compare_mail_suppressions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION compare_mail_suppressions TO portico_app;
