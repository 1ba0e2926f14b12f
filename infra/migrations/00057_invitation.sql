-- +goose Up
CREATE TABLE invitation (
  org_id       uuid NOT NULL REFERENCES organization (id),
  id           uuid NOT NULL,
  email        text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
  predefined   text CHECK (predefined IN ('owner', 'admin', 'developer', 'viewer')),
  role_id      uuid,
  locale       text NOT NULL,
  token_hash   bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  inviter_type text NOT NULL,
  inviter_id   text NOT NULL,
  inviter_name text NOT NULL,
  mailed_at    timestamptz,
  created_at   timestamptz NOT NULL DEFAULT portico_now(),
  expires_at   timestamptz NOT NULL,
  accepted_at  timestamptz,
  revoked_at   timestamptz,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, token_hash),
  CHECK ((predefined IS NULL) <> (role_id IS NULL)),
  CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
COMMENT ON TABLE invitation IS 'An organization asks the person with an address to become a member. The person does so with the mailed link, or signed in with exactly this address.';
COMMENT ON COLUMN invitation.org_id IS 'The organization.';
COMMENT ON COLUMN invitation.id IS 'Shown as inv_….';
COMMENT ON COLUMN invitation.email IS 'The address, in lower case.';
COMMENT ON COLUMN invitation.predefined IS 'The predefined role that the member gets. NULL: role_id names the role.';
COMMENT ON COLUMN invitation.role_id IS 'The organization''s own role that the member gets. It may be deleted meanwhile; then the invitation cannot be accepted. NULL: predefined names the role.';
COMMENT ON COLUMN invitation.locale IS 'The language of mails to the member. Empty: the organization''s.';
COMMENT ON COLUMN invitation.token_hash IS 'SHA-256 of the token in the last mailed link. The token has 256 random bits, so no salt is needed.';
COMMENT ON COLUMN invitation.inviter_type IS 'The type of who has invited or sent it last, as in audit_entry.actor_type. The role is judged again by what they may give when it is accepted.';
COMMENT ON COLUMN invitation.inviter_id IS 'The id of who has invited or sent it last.';
COMMENT ON COLUMN invitation.inviter_name IS 'The name of a member who has invited or sent it last. Empty: a program has.';
COMMENT ON COLUMN invitation.mailed_at IS 'When it was last mailed. NULL: never, because the address had got too many invitations.';
COMMENT ON COLUMN invitation.created_at IS 'When it was made.';
COMMENT ON COLUMN invitation.expires_at IS 'When it ends.';
COMMENT ON COLUMN invitation.accepted_at IS 'When it was accepted. NULL: it was not.';
COMMENT ON COLUMN invitation.revoked_at IS 'When it was revoked, or, after its end, replaced by another. NULL: it was not.';
CREATE UNIQUE INDEX invitation_open ON invitation (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitation_email ON invitation (email, mailed_at);
CREATE INDEX invitation_expires ON invitation (expires_at);
CALL raise_wall('invitation');
GRANT SELECT, INSERT, UPDATE (token_hash, inviter_type, inviter_id, inviter_name, mailed_at, expires_at, accepted_at, revoked_at) ON invitation TO portico_app;
CALL open_to_worker('invitation', 'SELECT, DELETE');
CREATE POLICY lookup ON invitation FOR SELECT TO portico_owner USING (true);

-- invitations_to lists the open invitations of an address in this database, the oldest
-- first. Whoever calls it has proven the address.
CREATE FUNCTION invitations_to(address text, at_most integer) RETURNS TABLE (org_id uuid, org_name text, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.name, i.id FROM invitation i JOIN organization o ON o.id = i.org_id
  WHERE i.email = lower(address) AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > portico_now() AND o.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving'))
  ORDER BY i.created_at, i.id LIMIT at_most
$$;
REVOKE EXECUTE ON FUNCTION invitations_to FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitations_to TO portico_app;

-- invited_lately counts, up to at_most, the invitations of all organizations in this
-- database that an address was mailed in the last 24 hours.
CREATE FUNCTION invited_lately(address text, at_most integer) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT count(*) FROM (SELECT FROM invitation WHERE email = lower(address) AND mailed_at > portico_now() - interval '1 day' LIMIT at_most) i
$$;
REVOKE EXECUTE ON FUNCTION invited_lately FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invited_lately TO portico_app;

-- Whoever adds an address as a member does not decide where its person is after signing in:
-- that is an organization which the person has entered by choice. The members that there are
-- have entered theirs.
ALTER TABLE member ADD COLUMN entered_at timestamptz DEFAULT portico_now();
ALTER TABLE member ALTER COLUMN entered_at DROP DEFAULT;
COMMENT ON COLUMN member.entered_at IS 'When the user has entered the organization for the first time, or accepted its invitation. NULL: not yet; then signing in does not lead into it.';
GRANT UPDATE (entered_at) ON member TO portico_app;

-- memberships_of lists the open organizations in this database of which a user is a
-- member, the oldest membership first. Signing in asks every database.
DROP FUNCTION memberships_of;
CREATE FUNCTION memberships_of(wanted uuid, at_most integer) RETURNS TABLE (org_id uuid, org_name text, member_id uuid, entered boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.id, o.name, m.id, m.entered_at IS NOT NULL FROM member m JOIN organization o ON o.id = m.org_id
  WHERE m.user_id = wanted AND o.deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving'))
  ORDER BY m.entered_at IS NULL, m.created_at, m.id LIMIT at_most
$$;
REVOKE EXECUTE ON FUNCTION memberships_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of TO portico_app;
