-- +goose Up
-- A claim serves endpoints in turn: it takes the due deliveries of each from
-- this index, and steps from endpoint to endpoint in it to find who has any.
CREATE INDEX webhook_delivery_lane ON webhook_delivery (org_id, endpoint_id, next_retry_at) WHERE status = 'pending';
