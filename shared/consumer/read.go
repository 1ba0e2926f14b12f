package consumer

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Item is an event that was handed out to a consumer.
type Item struct {
	Position    int64 // grows with each item that the consumer is given
	Tries       int16 // how often it was handed out, this time included
	EventID     id.Event
	Type        string
	OrderingKey *string
	CreatedAt   time.Time
	Payload     []byte
}

// waits are how long an item waits, after each time that it was handed out, until it is
// handed out again. After the last one it becomes a dead letter.
var waits = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, time.Hour,
}

const (
	// MaxItems is how many items are handed out at once.
	MaxItems = 100
	// maxBytes bounds the payloads of a reply: with one more event and escaped as a
	// JSON string they stay below the 6 MB of Lambda.
	maxBytes = 1 << 20
)

// Read hands out up to limit items that are due, the longest due first, and none if
// there is none. The rows stay locked until the commit.
func Read(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, limit int) (items []Item, err error) {
	due, err := pg.Value[bool](ctx, tx, "consumer.Read", `
		SELECT EXISTS (SELECT FROM event_consumer_item WHERE org_id = $1 AND consumer_id = $2 AND died_at IS NULL AND next_at <= portico_now())`,
		org, consumer)
	if err != nil || !due {
		return nil, err
	}
	var batch pgx.Batch
	// A statement of its own: the next one sees what another reader has committed.
	batch.Queue(`SELECT FROM event_consumer_progress WHERE org_id = $1 AND consumer_id = $2 FOR NO KEY UPDATE`, org, consumer)
	batch.Queue(handOut, org, consumer, limit, maxBytes, waits).Query(pg.Into(&items))
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("consumer.Read: %w", err)
	}
	return items, nil
}

// handOut gives positions to the items that are due, and lets those die that were
// handed out often enough.
const handOut = `
	WITH due AS MATERIALIZED (
		SELECT event_id, row_number() OVER line AS n, sum(bytes) OVER line AS bytes FROM (
			SELECT i.event_id, i.next_at, coalesce(octet_length(e.payload), 0) AS bytes
			FROM event_consumer_item i LEFT JOIN event e ON e.org_id = i.org_id AND e.id = i.event_id
			WHERE i.org_id = $1 AND i.consumer_id = $2 AND i.died_at IS NULL AND i.next_at <= portico_now()
			ORDER BY i.next_at, i.event_id LIMIT $3) AS ready
		WINDOW line AS (ORDER BY next_at, event_id)
	), given AS (
		UPDATE event_consumer_item i SET
			tries = least(i.tries + 1, cardinality($5::interval[])),
			died_at = CASE WHEN i.tries >= cardinality($5::interval[]) THEN portico_now() END,
			next_at = portico_now() + coalesce(($5::interval[])[i.tries + 1], interval '0'),
			position = CASE WHEN i.tries >= cardinality($5::interval[]) THEN i.position ELSE p.last_position + due.n END
		FROM due, event_consumer_progress p
		WHERE p.org_id = $1 AND p.consumer_id = $2 AND (due.n = 1 OR due.bytes <= $4)
			AND i.org_id = $1 AND i.consumer_id = $2 AND i.event_id = due.event_id
		RETURNING i.event_id, i.position, i.tries, i.died_at
	), moved AS (
		UPDATE event_consumer_progress SET last_position = (SELECT max(position) FROM given WHERE died_at IS NULL)
		WHERE org_id = $1 AND consumer_id = $2 AND EXISTS (SELECT FROM given WHERE died_at IS NULL)
	)
	SELECT g.position, g.tries, e.id AS event_id, e.type, e.ordering_key, e.created_at, e.payload
	FROM given g JOIN event e ON e.org_id = $1 AND e.id = g.event_id AND e.expunged_at IS NULL
	WHERE g.died_at IS NULL ORDER BY g.position`
