-- +goose Up
-- A rotation ends old secrets; what a secret is and whose stays unchangeable.
GRANT UPDATE (expires_at) ON webhook_secret TO portico_app;
