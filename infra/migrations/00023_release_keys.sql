-- +goose Up
-- The daily upkeep lets go what waits behind a paused key of a deleted endpoint.
GRANT DELETE ON webhook_paused_key TO portico_worker;
