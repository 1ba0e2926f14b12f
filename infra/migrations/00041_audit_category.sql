-- +goose Up
-- An entry has a category, and its log is also searched by category, outcome and request.
-- The entries that are there get theirs by an expression, because the wall and a trigger
-- forbid updates. New ones get it from the registry in shared/audit/actions.go.
ALTER TABLE audit_entry ADD category text NOT NULL CHECK (category IN ('security', 'configuration', 'access', 'data')) GENERATED ALWAYS AS (CASE
  WHEN action IN ('organization.create', 'organization.delete', 'webhook_endpoint.rotate_secret', 'event_consumer.rotate_secret')
    OR split_part(action, '.', 1) IN ('api_key', 'member', 'role', 'resource_grant', 'domain') THEN 'security'
  WHEN action IN ('event_consumer.resend_dead_letters', 'webhook_endpoint.recover', 'webhook_endpoint.replay', 'job_schedule.run', 'mail_template.test')
    OR split_part(action, '.', 1) IN ('event', 'delivery', 'recovery', 'job', 'job_redrive', 'mail', 'mail_inspection', 'dmarc_report') THEN 'data'
  ELSE 'configuration'
END) STORED;
ALTER TABLE audit_entry ALTER category DROP EXPRESSION;
-- The code of the version before, which runs until a deployment ends, names no category.
ALTER TABLE audit_entry ALTER category SET DEFAULT 'configuration';
COMMENT ON COLUMN audit_entry.category IS 'The category of the action, as it was when the entry was written.';
COMMENT ON COLUMN audit_entry.outcome IS 'failure: the attempt was refused, and nothing was changed.';
CREATE INDEX audit_entry_category ON audit_entry (org_id, category, id);
CREATE INDEX audit_entry_request ON audit_entry (org_id, request_id, id);
CREATE INDEX audit_entry_outcome ON audit_entry (org_id, outcome, id);
