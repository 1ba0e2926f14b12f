-- +goose Up
-- Several queues run on the same engine, and each has dispatchers of its own. The
-- default is for functions of the previous version, which know one queue.
ALTER TABLE dispatcher ADD queue text NOT NULL DEFAULT 'webhook_delivery';
COMMENT ON TABLE dispatcher IS 'The dispatchers that are awake. Each renews its row; the row of a killed one expires. Who has added work to a queue reads the table to decide whether to wake a dispatcher of that queue.';
COMMENT ON COLUMN dispatcher.queue IS 'The queue whose work it does, which is also the channel of its notifications.';
COMMENT ON COLUMN dispatcher.unnotified IS 'It looks for due work every few milliseconds, so nobody needs to notify it.';
