-- +goose Up
-- Limits of a key or of an organization that replace those of the stage.
CREATE TABLE limit_override (
  org_id      uuid NOT NULL REFERENCES organization (id),
  api_key_id  uuid,
  subject_id  uuid NOT NULL GENERATED ALWAYS AS (coalesce(api_key_id, org_id)) STORED,
  policy      text NOT NULL,
  staff_limit bigint CHECK (staff_limit > 0),
  own_limit   bigint CHECK (own_limit > 0),
  updated_at  timestamptz NOT NULL DEFAULT portico_now(),
  PRIMARY KEY (org_id, subject_id, policy),
  FOREIGN KEY (org_id, api_key_id) REFERENCES api_key (org_id, id),
  CHECK (staff_limit IS NOT NULL OR own_limit IS NOT NULL),
  CHECK (own_limit IS NULL OR api_key_id IS NOT NULL)
);
COMMENT ON TABLE limit_override IS 'Limits of API keys and organizations that differ from those of the stage. Requests read them in DynamoDB, in the item of the key or of the organization.';
COMMENT ON COLUMN limit_override.org_id IS 'The organization.';
COMMENT ON COLUMN limit_override.api_key_id IS 'The key whose limit it is. NULL: it is the organization''s.';
COMMENT ON COLUMN limit_override.subject_id IS 'The key or, if there is none, the organization: a primary key has no NULL.';
COMMENT ON COLUMN limit_override.policy IS 'The policy''s name, such as requests.';
COMMENT ON COLUMN limit_override.staff_limit IS 'The limit that staff have set instead of the stage''s. NULL: none.';
COMMENT ON COLUMN limit_override.own_limit IS 'The limit that the organization has set for its key; it can only lower the other one. NULL: none.';
COMMENT ON COLUMN limit_override.updated_at IS 'When it was last set.';
CALL raise_wall('limit_override');
GRANT SELECT, INSERT, UPDATE, DELETE ON limit_override TO portico_app;
