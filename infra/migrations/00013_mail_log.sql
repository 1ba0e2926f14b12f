-- +goose Up
-- Staff read the log of mails of all organizations.
CREATE INDEX mail_newest ON mail (created_at, id);
CREATE INDEX mail_recipient ON mail (lower(recipient), created_at, id);
CREATE INDEX mail_id ON mail (id);

-- list_mails lists, for staff, the mails of all organizations that live here, the
-- newest first. An argument that is NULL or empty selects all. before and before_id
-- are the last mail of the page before. It reads at most reads_at_most mails of the
-- narrowest index, by organization, recipient or time; if there may be more, the
-- last one read is there too, although it may not match. It reads through a policy
-- for portico_owner, which cannot log in.
CREATE POLICY lookup ON mail FOR SELECT TO portico_owner USING (true);
-- +goose StatementBegin
CREATE FUNCTION list_mails(
  of_org uuid, of_recipient text, of_status text, of_template text, of_stream text,
  since timestamptz, before timestamptz, before_id uuid, at_most integer, reads_at_most integer)
RETURNS TABLE (
  org_id uuid, id uuid, created_at timestamptz, status_at timestamptz, status text, handovers smallint, stream text, category text,
  template text, template_version text, locale text, recipient text, recipient_name text, key text, provider_id text, error text, matches boolean, ends boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT r.org_id, r.id, r.created_at, r.status_at, r.status, r.handovers, r.stream, r.category,
      r.template, r.template_version, r.locale, r.recipient, r.recipient_name, r.key, r.provider_id, r.error, r.matches, r.place = $10
    FROM (
      SELECT m.*, row_number() OVER (ORDER BY m.created_at DESC, m.id DESC) AS place,
        ($1 IS NULL OR m.org_id = $1) AND ($3 = '' OR m.status = $3) AND ($4 = '' OR m.template = $4) AND ($5 = '' OR m.stream = $5)
        AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = m.org_id AND p.state IN ('left', 'arriving')) AS matches
      FROM (
        SELECT * FROM mail WHERE %s AND created_at >= $6 AND created_at <= $7 AND (created_at, id) < ($7, $8)
        ORDER BY created_at DESC, id DESC LIMIT $10) AS m) AS r
    WHERE r.matches OR r.place = $10
    ORDER BY r.created_at DESC, r.id DESC LIMIT $9
    $query$, CASE WHEN of_recipient <> '' THEN 'lower(recipient) = lower($2)' WHEN of_org IS NOT NULL THEN 'org_id = $1' ELSE 'true' END)
  USING of_org, of_recipient, of_status, of_template, of_stream,
    coalesce(since, '-infinity'), coalesce(before, 'infinity'), coalesce(before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), at_most, reads_at_most;
END $$;
-- +goose StatementEnd

-- find_mail returns, for staff and for the reports of mail services, a mail whose
-- organization is not known yet, if the organization lives here.
CREATE FUNCTION find_mail(of_mail uuid)
RETURNS TABLE (
  org_id uuid, id uuid, created_at timestamptz, status_at timestamptz, status text, handovers smallint, stream text, category text,
  template text, template_version text, locale text, recipient text, recipient_name text, key text, provider_id text, error text, matches boolean, ends boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT m.org_id, m.id, m.created_at, m.status_at, m.status, m.handovers, m.stream, m.category,
    m.template, m.template_version, m.locale, m.recipient, m.recipient_name, m.key, m.provider_id, m.error, true, false
  FROM mail m
  WHERE m.id = of_mail AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = m.org_id AND p.state IN ('left', 'arriving'))
$$;
REVOKE EXECUTE ON FUNCTION list_mails, find_mail FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_mails, find_mail TO portico_app;
