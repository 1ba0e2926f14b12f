-- +goose Up
-- When the daily upkeep last told the owner that the client certificate
-- expires. shared/webhook/expiry.go says when it tells again.
ALTER TABLE webhook_endpoint ADD certificate_told_at timestamptz;
GRANT UPDATE (certificate_told_at) ON webhook_endpoint TO portico_worker;
