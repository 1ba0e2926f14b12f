-- +goose Up
CREATE TABLE staff (
  user_id     uuid PRIMARY KEY REFERENCES user_account (id) ON DELETE CASCADE,
  name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  level       text NOT NULL CHECK (level IN ('support', 'operator', 'admin')),
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  disabled_at timestamptz
);
COMMENT ON TABLE staff IS 'The people who run Portico. Rows exist at home only.';
COMMENT ON COLUMN staff.user_id IS 'The person, who signs in with their own account.';
COMMENT ON COLUMN staff.name IS 'What audit logs call the person.';
COMMENT ON COLUMN staff.level IS 'What the person may do: support reads, operator does everything, admin also decides who is staff.';
COMMENT ON COLUMN staff.created_at IS 'Since when.';
COMMENT ON COLUMN staff.disabled_at IS 'Since when the person is not staff any more. NULL: they are.';
GRANT SELECT, INSERT, UPDATE (name, level, disabled_at) ON staff TO portico_app;

-- person_of returns, at home, the user who has proven an address; NULL: nobody has.
CREATE FUNCTION person_of(address text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT u.id FROM user_account u JOIN user_login l ON l.user_id = u.id WHERE lower(u.email) = lower(address) AND l.email_verified_at IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION person_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_of TO portico_app;

CREATE TABLE staff_access (
  org_id     uuid NOT NULL REFERENCES organization (id),
  id         uuid NOT NULL,
  user_id    uuid NOT NULL,
  name       text NOT NULL,
  reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  member_id  uuid,
  created_at timestamptz NOT NULL DEFAULT portico_now(),
  ends_at    timestamptz NOT NULL,
  ended_at   timestamptz,
  PRIMARY KEY (org_id, id),
  CHECK (ends_at > created_at AND ends_at <= created_at + interval '4 hours')
);
COMMENT ON TABLE staff_access IS 'A person of staff may enter the organization for a while. Without it the organization does not exist for them.';
COMMENT ON COLUMN staff_access.org_id IS 'The organization.';
COMMENT ON COLUMN staff_access.id IS 'Shown as sac_….';
COMMENT ON COLUMN staff_access.user_id IS 'Who of staff, as staff.user_id at home.';
COMMENT ON COLUMN staff_access.name IS 'What staff.name was when it was opened.';
COMMENT ON COLUMN staff_access.reason IS 'Why, in the person''s own words. The organization reads it.';
COMMENT ON COLUMN staff_access.member_id IS 'As which member the person may look at the organization, and change nothing. NULL: as staff.';
COMMENT ON COLUMN staff_access.created_at IS 'When it was opened.';
COMMENT ON COLUMN staff_access.ends_at IS 'When it ends at the latest: four hours after it was opened.';
COMMENT ON COLUMN staff_access.ended_at IS 'When somebody has ended it before. NULL: nobody has.';
CREATE INDEX staff_access_open ON staff_access (org_id, user_id, ends_at) WHERE ended_at IS NULL;
CALL raise_wall('staff_access');
GRANT SELECT, INSERT, UPDATE (ended_at) ON staff_access TO portico_app;
