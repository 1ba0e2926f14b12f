-- +goose Up
-- The last failed try of an endpoint, for people who look why it fails. It is
-- written together with the count of failures, and stays after a success.
ALTER TABLE webhook_lane
  ADD last_failed_at   timestamptz,
  ADD last_error       text,
  ADD last_status_code smallint;  -- NULL: no response
