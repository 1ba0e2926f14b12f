-- +goose Up
-- Single sign-on: an organization's own identity provider says who its people are.
CREATE TABLE sso_connection (
  org_id               uuid NOT NULL REFERENCES organization (id),
  id                   uuid NOT NULL,
  type                 text NOT NULL CHECK (type IN ('saml', 'oidc')),
  name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  status               text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'disabled')),
  issuer               text NOT NULL DEFAULT '' CHECK (length(issuer) <= 255),
  sso_url              text NOT NULL DEFAULT '' CHECK (length(sso_url) <= 2000),
  certificates         text[] NOT NULL DEFAULT '{}' CHECK (cardinality(certificates) <= 10),
  certificates_end_at  timestamptz,
  client_id            text NOT NULL DEFAULT '' CHECK (length(client_id) <= 255),
  sealed_client_secret bytea,
  domains              text[] NOT NULL DEFAULT '{}' CHECK (cardinality(domains) <= 20),
  predefined           text CHECK (predefined IN ('owner', 'admin', 'developer', 'viewer')),
  role_id              uuid,
  enforced             boolean NOT NULL DEFAULT false,
  break_glass_id       uuid,
  version              bigint NOT NULL DEFAULT 1 CHECK (version > 0),
  created_at           timestamptz NOT NULL DEFAULT portico_now(),
  updated_at           timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, role_id) REFERENCES role (org_id, id),
  FOREIGN KEY (org_id, break_glass_id) REFERENCES member (org_id, id) ON DELETE SET NULL (break_glass_id),
  CHECK ((predefined IS NULL) <> (role_id IS NULL))
);
COMMENT ON TABLE sso_connection IS 'The identity providers of organizations, by which their people sign in.';
COMMENT ON COLUMN sso_connection.org_id IS 'The organization. A session by the connection is in no other one.';
COMMENT ON COLUMN sso_connection.id IS 'Shown as sso_….';
COMMENT ON COLUMN sso_connection.type IS 'The protocol. It never changes.';
COMMENT ON COLUMN sso_connection.name IS 'For people.';
COMMENT ON COLUMN sso_connection.status IS 'draft: it can only be tested; active: people sign in by it; disabled: nobody does any more.';
COMMENT ON COLUMN sso_connection.issuer IS 'Who the provider says it is: the issuer of OpenID Connect, or the entity id of SAML. Empty: not known yet.';
COMMENT ON COLUMN sso_connection.sso_url IS 'Where SAML requests are sent. Empty: not known yet, or the type is oidc.';
COMMENT ON COLUMN sso_connection.certificates IS 'The certificates (PEM) whose keys sign SAML assertions. No other key is trusted.';
COMMENT ON COLUMN sso_connection.certificates_end_at IS 'When the last of the certificates ends. NULL: there are none.';
COMMENT ON COLUMN sso_connection.client_id IS 'What an OpenID Connect provider knows us by. Empty: not known yet, or the type is saml.';
COMMENT ON COLUMN sso_connection.sealed_client_secret IS 'The client''s secret, sealed for this connection. NULL: there is none.';
COMMENT ON COLUMN sso_connection.domains IS 'The domains of the addresses that the provider may assert. Only those of them count that the organization has verified.';
COMMENT ON COLUMN sso_connection.predefined IS 'The predefined role of people who become members by signing in. NULL: role_id names the role.';
COMMENT ON COLUMN sso_connection.role_id IS 'That role if the organization made it. NULL: predefined names the role.';
COMMENT ON COLUMN sso_connection.enforced IS 'Whether nobody enters the organization by other means, while the connection is active.';
COMMENT ON COLUMN sso_connection.break_glass_id IS 'The one owner who enters by other means although it is enforced. NULL: nobody does.';
COMMENT ON COLUMN sso_connection.version IS 'Grows with each change, so that a login that was begun before a change is not completed after it.';
COMMENT ON COLUMN sso_connection.created_at IS 'When it was made.';
COMMENT ON COLUMN sso_connection.updated_at IS 'When it was last changed.';
CREATE INDEX sso_connection_id ON sso_connection (id);
CALL raise_wall('sso_connection');
GRANT SELECT, INSERT, UPDATE, DELETE ON sso_connection TO portico_app;

-- A SAML response names a connection before its organization is known. The
-- function returns only the organization; the row itself is then read behind the wall.
CREATE POLICY lookup ON sso_connection FOR SELECT TO portico_owner USING (true);
CREATE FUNCTION sso_connection_org(wanted uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT org_id FROM sso_connection WHERE id = wanted
$$;
REVOKE EXECUTE ON FUNCTION sso_connection_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sso_connection_org TO portico_app;

CREATE TABLE sso_trace (
  org_id        uuid NOT NULL,
  id            uuid NOT NULL,
  connection_id uuid NOT NULL,
  step          text NOT NULL CHECK (step ~ '^[a-z_]{1,40}$'),
  code          text NOT NULL CHECK (code ~ '^[a-z_]{1,60}$'),
  detail        text NOT NULL DEFAULT '' CHECK (length(detail) <= 500),
  claims        jsonb NOT NULL DEFAULT '{}',
  test          boolean NOT NULL DEFAULT false,
  created_at    timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES sso_connection (org_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE sso_trace IS 'The logins by connections that failed, and those that were only a test. They are kept for 30 days.';
COMMENT ON COLUMN sso_trace.org_id IS 'The organization.';
COMMENT ON COLUMN sso_trace.id IS 'Shown as sst_…. Ids sort by time.';
COMMENT ON COLUMN sso_trace.connection_id IS 'The connection. Its traces are deleted with it.';
COMMENT ON COLUMN sso_trace.step IS 'How far the login came.';
COMMENT ON COLUMN sso_trace.code IS 'Why it failed, for programs; ok: it did not.';
COMMENT ON COLUMN sso_trace.detail IS 'The same for people.';
COMMENT ON COLUMN sso_trace.claims IS 'What the provider said, without what identifies the person.';
COMMENT ON COLUMN sso_trace.test IS 'Whether it was a test, which lets nobody in.';
COMMENT ON COLUMN sso_trace.created_at IS 'When it was.';
CREATE INDEX sso_trace_connection ON sso_trace (org_id, connection_id, id);
CREATE INDEX sso_trace_created ON sso_trace (created_at);
CALL raise_wall('sso_trace');
GRANT SELECT, INSERT, DELETE ON sso_trace TO portico_app;
CALL open_to_worker('sso_trace', 'SELECT, DELETE');

-- forget_connection deletes, at home, the accounts that a connection has linked, because
-- the connection is deleted. No other provider's can be deleted with it.
CREATE FUNCTION forget_connection(gone text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DELETE FROM user_identity WHERE connection = gone AND gone LIKE 'sso\_%'
$$;
REVOKE EXECUTE ON FUNCTION forget_connection FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_connection TO portico_app;
