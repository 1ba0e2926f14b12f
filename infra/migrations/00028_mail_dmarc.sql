-- +goose Up
-- DMARC aggregate reports: what receivers of mail say about who sends in the name of the
-- platform's domains. They are the platform's, and at home only.
CREATE TABLE mail_dmarc (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization text NOT NULL,
  report_id    text NOT NULL,
  domain       text NOT NULL,
  policy       text NOT NULL CHECK (policy IN ('none', 'quarantine', 'reject')),
  begins_at    timestamptz NOT NULL,
  ends_at      timestamptz NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT portico_now(),
  UNIQUE (organization, report_id, domain)
);
COMMENT ON TABLE mail_dmarc IS 'DMARC aggregate reports. Anybody can send one: it proves nothing. They belong to no organization, because they are about the domains of the platform.';
COMMENT ON COLUMN mail_dmarc.id IS 'Only for mail_dmarc_source.';
COMMENT ON COLUMN mail_dmarc.created_at IS 'When it was handed in.';
COMMENT ON COLUMN mail_dmarc.organization IS 'Who reports, as it calls itself.';
COMMENT ON COLUMN mail_dmarc.report_id IS 'The id that it gave the report. A report that comes twice is kept once.';
COMMENT ON COLUMN mail_dmarc.domain IS 'The domain whose policy it is about, in lower case.';
COMMENT ON COLUMN mail_dmarc.policy IS 'The policy that the receiver found.';
COMMENT ON COLUMN mail_dmarc.begins_at IS 'When the time begins that it is about.';
COMMENT ON COLUMN mail_dmarc.ends_at IS 'When that time ends. The report is kept for 90 days after it.';
CREATE INDEX mail_dmarc_end ON mail_dmarc (ends_at);

CREATE TABLE mail_dmarc_source (
  report      bigint NOT NULL REFERENCES mail_dmarc ON DELETE CASCADE,
  source      inet NOT NULL,
  header_from text NOT NULL,
  dkim        boolean NOT NULL,
  spf         boolean NOT NULL,
  disposition text NOT NULL CHECK (disposition IN ('none', 'quarantine', 'reject')),
  mails       bigint NOT NULL,
  aligned     boolean NOT NULL GENERATED ALWAYS AS (dkim OR spf) STORED,
  PRIMARY KEY (report, source, header_from, dkim, spf, disposition)
);
COMMENT ON TABLE mail_dmarc_source IS 'What a DMARC report says about the mails that came from one address.';
COMMENT ON COLUMN mail_dmarc_source.report IS 'The report.';
COMMENT ON COLUMN mail_dmarc_source.source IS 'The address from which the mails came.';
COMMENT ON COLUMN mail_dmarc_source.header_from IS 'The domain of the sender that people see.';
COMMENT ON COLUMN mail_dmarc_source.dkim IS 'Whether DKIM passed, for that domain.';
COMMENT ON COLUMN mail_dmarc_source.spf IS 'Whether SPF passed, for that domain.';
COMMENT ON COLUMN mail_dmarc_source.disposition IS 'What the receiver did with the mails.';
COMMENT ON COLUMN mail_dmarc_source.mails IS 'How many they were.';
COMMENT ON COLUMN mail_dmarc_source.aligned IS 'Whether DMARC passed: DKIM or SPF did.';
CREATE INDEX mail_dmarc_source_address ON mail_dmarc_source (source, aligned);
GRANT SELECT, DELETE ON mail_dmarc TO portico_worker;

-- keep_dmarc keeps a report, and returns whether it is new. Rows that differ only in what
-- is not kept are added up.
-- +goose StatementBegin
CREATE FUNCTION keep_dmarc(
  of_organization text, of_report_id text, of_domain text, of_policy text, begins timestamptz, ends timestamptz,
  sources inet[], froms text[], dkims boolean[], spfs boolean[], dispositions text[], counts bigint[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE kept bigint;
BEGIN
  INSERT INTO mail_dmarc (organization, report_id, domain, policy, begins_at, ends_at)
  VALUES (of_organization, of_report_id, of_domain, of_policy, begins, ends)
  ON CONFLICT (organization, report_id, domain) DO NOTHING RETURNING id INTO kept;
  IF kept IS NULL THEN
    RETURN false;
  END IF;
  INSERT INTO mail_dmarc_source (report, source, header_from, dkim, spf, disposition, mails)
  SELECT kept, r.source, r.header_from, r.dkim, r.spf, r.disposition, sum(r.mails)
  FROM unnest(sources, froms, dkims, spfs, dispositions, counts) AS r (source, header_from, dkim, spf, disposition, mails)
  GROUP BY r.source, r.header_from, r.dkim, r.spf, r.disposition;
  RETURN true;
END $$;
-- +goose StatementEnd

-- list_dmarc_sources adds up, for staff, what reports about a time say, by address and by
-- whether DMARC passed, behind the last of the page before. A report counts for the time
-- in which it begins. NULL: any domain, or both.
-- +goose StatementBegin
CREATE FUNCTION list_dmarc_sources(since timestamptz, until timestamptz, of_domain text, of_aligned boolean, after_source inet, after_aligned boolean, at_most integer)
RETURNS TABLE (source inet, aligned boolean, mails bigint, dkim bigint, spf bigint, quarantined bigint, rejected bigint, reports bigint, header_from text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY EXECUTE format($query$
    SELECT s.source, s.aligned, sum(s.mails)::bigint,
      (coalesce(sum(s.mails) FILTER (WHERE s.dkim), 0))::bigint, (coalesce(sum(s.mails) FILTER (WHERE s.spf), 0))::bigint,
      (coalesce(sum(s.mails) FILTER (WHERE s.disposition = 'quarantine'), 0))::bigint, (coalesce(sum(s.mails) FILTER (WHERE s.disposition = 'reject'), 0))::bigint,
      count(DISTINCT s.report), min(s.header_from)
    FROM mail_dmarc_source s JOIN mail_dmarc r ON r.id = s.report
    WHERE r.begins_at >= $1 AND r.begins_at < $2 AND %s AND %s AND %s
    GROUP BY s.source, s.aligned ORDER BY s.source, s.aligned LIMIT $7
    $query$,
    CASE WHEN of_domain IS NULL THEN 'true' ELSE 'r.domain = $3' END,
    CASE WHEN of_aligned IS NULL THEN 'true' ELSE 's.aligned = $4' END,
    CASE WHEN after_source IS NULL THEN 'true' ELSE '(s.source, s.aligned) > ($5, $6)' END)
  USING since, until, of_domain, of_aligned, after_source, after_aligned, at_most;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION keep_dmarc, list_dmarc_sources FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_dmarc, list_dmarc_sources TO portico_app;
