-- +goose Up
-- Mail: what was sent or is to be sent, who must get none, and what people have
-- unsubscribed from.

CREATE TABLE mail (
  org_id           uuid NOT NULL,
  id               uuid NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT portico_now(),
  status_at        timestamptz NOT NULL DEFAULT portico_now(),
  handed_over_at   timestamptz,
  handovers        smallint NOT NULL DEFAULT 0,
  status           text NOT NULL DEFAULT 'queued' CHECK (status IN
    ('queued', 'sending', 'sent', 'delivered', 'delayed', 'bounced', 'complained', 'suppressed', 'rejected', 'failed', 'unknown')),
  stream           text NOT NULL CHECK (stream IN ('product', 'marketing')),
  category         text NOT NULL,
  template         text NOT NULL,
  template_version text,
  locale           text NOT NULL,
  recipient        text NOT NULL,
  recipient_name   text NOT NULL,
  key              text NOT NULL,
  provider_id      text,
  error            text,
  digest           bytea,
  data             bytea,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, key)
) WITH (fillfactor = 80);
COMMENT ON TABLE mail IS 'The log of mails. What a mail says is not kept.';
COMMENT ON COLUMN mail.org_id IS 'The organization for which it is sent.';
COMMENT ON COLUMN mail.id IS 'Shown as mail_…. It is made of the organization and the key, so the same mail is never there twice.';
COMMENT ON COLUMN mail.created_at IS 'When it was to be sent.';
COMMENT ON COLUMN mail.status_at IS 'When its status last changed, by the clock of whoever reported it: an older report changes nothing.';
COMMENT ON COLUMN mail.handed_over_at IS 'When it was last handed to the mail service. NULL: not yet.';
COMMENT ON COLUMN mail.handovers IS 'How often it was handed to a mail service that does not recognise a repetition. More than once: it may have been sent twice, because an answer was lost.';
COMMENT ON COLUMN mail.status IS
  'queued: it waits. sending: it is being handed over, or the answer was lost. sent: the service has accepted it. delivered, delayed, bounced, complained: what the service heard later. '
  'suppressed: the recipient must get none, or does not want it. rejected: the service refuses it. failed: it cannot be rendered. unknown: nobody knows whether the service has accepted it.';
COMMENT ON COLUMN mail.stream IS 'product: people wait for it. marketing: they do not.';
COMMENT ON COLUMN mail.category IS 'What a person unsubscribes from; empty for critical mail, which everybody gets.';
COMMENT ON COLUMN mail.template IS 'The name of the template.';
COMMENT ON COLUMN mail.template_version IS 'The version of the template from which it was made. NULL: it is not made yet.';
COMMENT ON COLUMN mail.locale IS 'The wanted language; once it is made, the one that it is in.';
COMMENT ON COLUMN mail.recipient IS 'The mail address.';
COMMENT ON COLUMN mail.recipient_name IS 'The name that is shown with it; may be empty.';
COMMENT ON COLUMN mail.key IS 'Chosen by whoever sends: a second mail of the organization with the same key is not sent.';
COMMENT ON COLUMN mail.provider_id IS 'The id that the mail service gave it. NULL: none yet.';
COMMENT ON COLUMN mail.error IS 'Why it was not sent, for people. NULL: it was, or waits.';
COMMENT ON COLUMN mail.digest IS 'SHA-256 of what was handed over. NULL: nothing was.';
COMMENT ON COLUMN mail.data IS 'The data of the template, sealed. NULL: the mail is made, and they are forgotten.';
CREATE INDEX mail_created ON mail (org_id, created_at);
CALL raise_wall('mail');
GRANT SELECT, INSERT, UPDATE ON mail TO portico_app;
CALL open_to_worker('mail', 'SELECT, UPDATE');

CREATE TABLE mail_unsubscribed (
  org_id     uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  recipient  text NOT NULL CHECK (recipient = lower(recipient)),
  category   text NOT NULL,
  PRIMARY KEY (org_id, recipient, category)
);
COMMENT ON TABLE mail_unsubscribed IS 'What people no longer want: mail of a category from an organization.';
COMMENT ON COLUMN mail_unsubscribed.org_id IS 'The organization.';
COMMENT ON COLUMN mail_unsubscribed.created_at IS 'When the person said so first.';
COMMENT ON COLUMN mail_unsubscribed.recipient IS 'The mail address, in lower case.';
COMMENT ON COLUMN mail_unsubscribed.category IS 'The category of the mails.';
CALL raise_wall('mail_unsubscribed');
GRANT SELECT, INSERT ON mail_unsubscribed TO portico_app;

CREATE TABLE mail_suppression (
  recipient  text NOT NULL CHECK (recipient = lower(recipient)),
  reason     text NOT NULL CHECK (reason IN ('bounce', 'complaint', 'delays', 'staff')),
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  ends_at    timestamptz,
  PRIMARY KEY (recipient, reason)
);
COMMENT ON TABLE mail_suppression IS
  'Addresses that must get no mail. It belongs to no organization, because all of them share the reputation that a mail to such an address harms.';
COMMENT ON COLUMN mail_suppression.recipient IS 'The mail address, in lower case.';
COMMENT ON COLUMN mail_suppression.reason IS
  'bounce: the address does not exist. complaint: the person reported a mail as spam, and still gets critical mail. delays: it could not be reached several times. staff: a person entered it.';
COMMENT ON COLUMN mail_suppression.created_at IS 'When it was entered.';
COMMENT ON COLUMN mail_suppression.ends_at IS 'When mail is sent again. NULL: when staff remove the entry.';
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_suppression TO portico_worker;

-- mail_suppressed returns why an address must get no mail, or NULL. So a function
-- that serves an organization can ask about one address, but not list those of
-- others.
CREATE FUNCTION mail_suppressed(address text, critical boolean) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT min(reason) FROM mail_suppression
  WHERE recipient = lower(address) AND (ends_at IS NULL OR ends_at > portico_now()) AND NOT (critical AND reason = 'complaint')
$$;
REVOKE EXECUTE ON FUNCTION mail_suppressed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mail_suppressed TO portico_app;
