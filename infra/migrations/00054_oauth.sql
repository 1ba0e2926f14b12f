-- +goose Up
-- Apps that people let into their organization (OAuth 2.0). Their tokens are in the
-- DynamoDB table Identity.
CREATE TABLE oauth_client (
  org_id             uuid NOT NULL REFERENCES organization (id),
  id                 uuid NOT NULL,
  name               text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  kind               text NOT NULL CHECK (kind IN ('web', 'native')),
  redirect_uris      text[] NOT NULL CHECK (cardinality(redirect_uris) <= 20),
  permissions        text[] NOT NULL,
  published          boolean NOT NULL,
  secret_hash        bytea CHECK (octet_length(secret_hash) = 32),
  old_secret_hash    bytea CHECK (octet_length(old_secret_hash) = 32),
  old_secret_ends_at timestamptz,
  created_at         timestamptz NOT NULL DEFAULT portico_now(),
  updated_at         timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, id),
  CHECK ((kind = 'web') = (secret_hash IS NOT NULL)),
  CHECK ((old_secret_hash IS NULL) = (old_secret_ends_at IS NULL))
);
COMMENT ON TABLE oauth_client IS 'The apps that an organization has registered, which call the API in the name of people or in their own.';
COMMENT ON COLUMN oauth_client.org_id IS 'The organization that publishes the app.';
COMMENT ON COLUMN oauth_client.id IS 'Shown as app_…, the client_id of OAuth.';
COMMENT ON COLUMN oauth_client.name IS 'Shown to people who are asked to let it in.';
COMMENT ON COLUMN oauth_client.kind IS 'web: it keeps a secret; native: it runs on devices or in browsers, and has none.';
COMMENT ON COLUMN oauth_client.redirect_uris IS 'Where people may be led back to. They are compared as text.';
COMMENT ON COLUMN oauth_client.permissions IS 'The most that it may be granted.';
COMMENT ON COLUMN oauth_client.published IS 'Whether other organizations may let it in.';
COMMENT ON COLUMN oauth_client.secret_hash IS 'SHA-256 of the secret. The secret has 256 random bits, so no salt is needed. NULL: it has none.';
COMMENT ON COLUMN oauth_client.old_secret_hash IS 'The same of the secret before. NULL: there is none.';
COMMENT ON COLUMN oauth_client.old_secret_ends_at IS 'Until when the secret before works.';
COMMENT ON COLUMN oauth_client.created_at IS 'When it was registered.';
COMMENT ON COLUMN oauth_client.updated_at IS 'When it was last changed.';
CREATE INDEX oauth_client_id ON oauth_client (id);
CALL raise_wall('oauth_client');
GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_client TO portico_app;

-- A request names an app before its organization is known. The function returns only the
-- organization; the row itself is then read behind the wall.
CREATE POLICY lookup ON oauth_client FOR SELECT TO portico_owner USING (true);
CREATE FUNCTION oauth_client_org(wanted uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT org_id FROM oauth_client WHERE id = wanted
$$;
REVOKE EXECUTE ON FUNCTION oauth_client_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oauth_client_org TO portico_app;

CREATE TABLE oauth_grant (
  org_id      uuid NOT NULL REFERENCES organization (id),
  id          uuid NOT NULL,
  client_id   uuid NOT NULL,
  client_name text NOT NULL,
  member_id   uuid NOT NULL,
  scopes      text[] NOT NULL,
  resource    text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT portico_now(),
  ends_at     timestamptz NOT NULL,
  revoked_at  timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, member_id) REFERENCES member (org_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE oauth_grant IS 'What members have allowed apps. Requests read the item in DynamoDB.';
COMMENT ON COLUMN oauth_grant.org_id IS 'The organization that the app was let into.';
COMMENT ON COLUMN oauth_grant.id IS 'Shown as ogr_….';
COMMENT ON COLUMN oauth_grant.client_id IS 'The app, which another organization may have registered, also in another database.';
COMMENT ON COLUMN oauth_grant.client_name IS 'The app''s name when it was let in.';
COMMENT ON COLUMN oauth_grant.member_id IS 'Who let it in. It acts for this member.';
COMMENT ON COLUMN oauth_grant.scopes IS 'What it may do: permissions, and what OpenID Connect names, such as openid.';
COMMENT ON COLUMN oauth_grant.resource IS 'The API that its tokens are for.';
COMMENT ON COLUMN oauth_grant.created_at IS 'When it was let in.';
COMMENT ON COLUMN oauth_grant.ends_at IS 'When all of its tokens have ended.';
COMMENT ON COLUMN oauth_grant.revoked_at IS 'When it was taken away. NULL: it was not.';
CREATE INDEX oauth_grant_member ON oauth_grant (org_id, member_id, client_id);
CALL raise_wall('oauth_grant');
GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_grant TO portico_app;
