package consumer

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Dead is an item that was handed out often enough and never acknowledged.
type Dead struct {
	EventID  id.Event
	Type     string
	Position int64 // of the last time that it was handed out
	Tries    int16
	DiedAt   time.Time
}

// ListDead returns up to limit dead letters of a consumer that are older than after,
// newest events first. A zero after starts with the newest. Those whose event has
// expired are left out, and do not shorten the list.
func ListDead(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, after id.Event, limit int) ([]Dead, error) {
	return pg.List[Dead](ctx, tx, "consumer.ListDead", `
		SELECT i.event_id, e.type, i.position, i.tries, i.died_at
		FROM event_consumer_item i CROSS JOIN LATERAL (
			SELECT type FROM event WHERE org_id = $1 AND id = i.event_id
			OFFSET 0) AS e -- one look-up after the other, until there are enough
		WHERE i.org_id = $1 AND i.consumer_id = $2 AND i.died_at IS NOT NULL AND i.event_id < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
		ORDER BY i.event_id DESC LIMIT $4`, org, consumer, after, limit)
}

// MaxResent bounds how many dead letters are put back at once, so that a request that
// puts back very many ends in time.
const MaxResent = 10_000

// Resend puts dead letters back into the stream, with all their tries, and returns how
// many. Without events it is all of them, the oldest MaxResent if there are more.
func Resend(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, events []id.Event) (int64, error) {
	return pg.Affect(ctx, tx, "consumer.Resend", `
		UPDATE event_consumer_item SET died_at = NULL, tries = 0, next_at = portico_now()
		WHERE org_id = $1 AND consumer_id = $2 AND died_at IS NOT NULL AND event_id IN (
			SELECT event_id FROM event_consumer_item
			WHERE org_id = $1 AND consumer_id = $2 AND died_at IS NOT NULL AND ($3::uuid[] IS NULL OR event_id = ANY ($3))
			ORDER BY event_id LIMIT $4)`, org, consumer, events, MaxResent)
}

// Standing says how far a consumer is behind.
type Standing struct {
	ConsumerID     id.EventConsumer
	LastPosition   int64
	Acknowledged   int64
	AcknowledgedAt *time.Time
	Backlog        int        // items that are not acknowledged, up to MaxBacklog
	OldestAt       *time.Time // when the event of the oldest of them was published
	DeadLetters    int        // up to MaxBacklog
}

// MaxBacklog is where counting stops: it bounds the cost of a list of consumers.
const MaxBacklog = 1000

// Standings returns how far each of these consumers is behind.
func Standings(ctx context.Context, tx pg.Tx, org id.Org, consumers []Consumer) (map[id.EventConsumer]Standing, error) {
	ids := make([]id.EventConsumer, len(consumers))
	for i, c := range consumers {
		ids[i] = c.ID
	}
	list, err := pg.List[Standing](ctx, tx, "consumer.Standings", `
		SELECT p.consumer_id, p.last_position, p.acknowledged, p.acknowledged_at,
			(SELECT count(*) FROM (SELECT FROM event_consumer_item i WHERE i.org_id = $1 AND i.consumer_id = p.consumer_id AND i.died_at IS NULL LIMIT $3) AS counted) AS backlog,
			(SELECT e.created_at FROM event e WHERE e.org_id = $1 AND e.id = (
				SELECT i.event_id FROM event_consumer_item i WHERE i.org_id = $1 AND i.consumer_id = p.consumer_id AND i.died_at IS NULL ORDER BY i.event_id LIMIT 1)) AS oldest_at,
			(SELECT count(*) FROM (SELECT FROM event_consumer_item i WHERE i.org_id = $1 AND i.consumer_id = p.consumer_id AND i.died_at IS NOT NULL LIMIT $3) AS counted) AS dead_letters
		FROM event_consumer_progress p WHERE p.org_id = $1 AND p.consumer_id = ANY ($2::uuid[])`, org, ids, MaxBacklog)
	byID := make(map[id.EventConsumer]Standing, len(list))
	for _, s := range list {
		byID[s.ConsumerID] = s
	}
	return byID, err
}
