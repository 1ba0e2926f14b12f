-- +goose Up
-- What staff write instead of the repository's mail templates. It is the platform's,
-- so it is outside the wall, and it is used in the home database only: all
-- functions that send read it there. Nobody may change or remove a row.
-- An organization's own templates would be another table, behind the wall.
CREATE TABLE mail_template_override (
  template        text NOT NULL,
  locale          text NOT NULL,
  version         integer NOT NULL CHECK (version > 0),
  created_at      timestamptz NOT NULL DEFAULT portico_now(),
  created_by      text NOT NULL,
  created_by_name text NOT NULL,
  note            text NOT NULL,
  subject         text NOT NULL CHECK (octet_length(subject) <= 1024),
  html            text NOT NULL CHECK (octet_length(html) <= 131072),
  text            text NOT NULL CHECK (octet_length(text) <= 131072),
  PRIMARY KEY (template, locale, version)
);
COMMENT ON TABLE mail_template_override IS
  'What staff wrote instead of a mail template of the repository. Every text that was saved is a row; rows are never changed. Only the home database has rows.';
COMMENT ON COLUMN mail_template_override.template IS 'The name of the template.';
COMMENT ON COLUMN mail_template_override.locale IS 'The language, such as de.';
COMMENT ON COLUMN mail_template_override.version IS 'From 1, for each template and language.';
COMMENT ON COLUMN mail_template_override.created_at IS 'When it was saved.';
COMMENT ON COLUMN mail_template_override.created_by IS 'Who saved it, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN mail_template_override.created_by_name IS 'The name of that person at that time.';
COMMENT ON COLUMN mail_template_override.note IS 'What the version is about, for people; may be empty.';
COMMENT ON COLUMN mail_template_override.subject IS 'The subject, a template of Go.';
COMMENT ON COLUMN mail_template_override.html IS 'The body as HTML, a template of Go.';
COMMENT ON COLUMN mail_template_override.text IS 'The body as text, a template of Go.';
GRANT SELECT, INSERT ON mail_template_override TO portico_app;

CREATE TABLE mail_template_publication (
  template          text NOT NULL,
  locale            text NOT NULL,
  number            integer NOT NULL CHECK (number > 0),
  version           integer,
  under             integer CHECK (under < number),
  published_at      timestamptz NOT NULL DEFAULT portico_now(),
  published_by      text NOT NULL,
  published_by_name text NOT NULL,
  PRIMARY KEY (template, locale, number),
  FOREIGN KEY (template, locale, version) REFERENCES mail_template_override,
  FOREIGN KEY (template, locale, under) REFERENCES mail_template_publication
);
COMMENT ON TABLE mail_template_publication IS
  'Which version of a mail template was sent from when on: the row with the highest number counts. Rows are never changed. Only the home database has rows.';
COMMENT ON COLUMN mail_template_publication.template IS 'The name of the template.';
COMMENT ON COLUMN mail_template_publication.locale IS 'The language.';
COMMENT ON COLUMN mail_template_publication.number IS 'From 1, for each template and language.';
COMMENT ON COLUMN mail_template_publication.version IS 'The version of mail_template_override. NULL: the repository''s template.';
COMMENT ON COLUMN mail_template_publication.under IS 'The publication that is in force again when this one is rolled back. NULL: the repository''s template.';
COMMENT ON COLUMN mail_template_publication.published_at IS 'When it was published or rolled back.';
COMMENT ON COLUMN mail_template_publication.published_by IS 'Who did that, in the form of audit_entry.actor_id.';
COMMENT ON COLUMN mail_template_publication.published_by_name IS 'The name of that person at that time.';
GRANT SELECT, INSERT ON mail_template_publication TO portico_app;
