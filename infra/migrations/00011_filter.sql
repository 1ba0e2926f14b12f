-- +goose Up
-- Which events an endpoint gets of those it subscribes to: an expression over
-- the event, '' for all. shared/webhook/filter_rules.go says what it may hold.
ALTER TABLE webhook_endpoint ADD filter text NOT NULL DEFAULT '' CHECK (char_length(filter) <= 1024);
