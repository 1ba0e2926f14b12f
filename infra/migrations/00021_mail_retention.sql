-- +goose Up
-- The daily upkeep removes mails from the log after 90 days.
GRANT DELETE ON mail TO portico_worker;
