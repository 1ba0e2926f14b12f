-- +goose Up
-- A delivery that was held until its event was older than is kept has failed
-- without a try, and says so.
ALTER TABLE webhook_delivery ADD expired boolean NOT NULL DEFAULT false;
