package consumer

import (
	"context"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// NewItem is an event that a consumer gets.
type NewItem struct {
	Consumer id.EventConsumer
	Event    id.Event
}

// Enqueue adds the statement that writes items to the batch of the publish
// transaction.
func Enqueue(batch *pgx.Batch, org id.Org, items []NewItem) {
	if len(items) == 0 {
		return
	}
	consumers, events := make([]id.EventConsumer, len(items)), make([]id.Event, len(items))
	for i, item := range items {
		consumers[i], events[i] = item.Consumer, item.Event
	}
	batch.Queue(`
		INSERT INTO event_consumer_item (org_id, consumer_id, event_id)
		SELECT $1, i.* FROM unnest($2::uuid[], $3::uuid[]) AS i`, org, consumers, events)
}

// DeadLetter is a delivery that has failed for good.
type DeadLetter struct {
	Org      id.Org
	Endpoint id.WebhookEndpoint
	Event    id.Event
}

// EnqueueDead gives dead letters of endpoints to the consumers that read them. One that
// a consumer still has starts anew.
func EnqueueDead(ctx context.Context, tx pg.Querier, letters []DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	orgs, endpoints, events := make([]id.Org, len(letters)), make([]id.WebhookEndpoint, len(letters)), make([]id.Event, len(letters))
	for i, l := range letters {
		orgs[i], endpoints[i], events[i] = l.Org, l.Endpoint, l.Event
	}
	return pg.Exec(ctx, tx, "consumer.EnqueueDead", `
		INSERT INTO event_consumer_item (org_id, consumer_id, event_id)
		SELECT c.org_id, c.id, l.event_id
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS l (org_id, endpoint_id, event_id)
		JOIN event_consumer c ON c.org_id = l.org_id AND c.dead_letters_of = l.endpoint_id AND c.deleted_at IS NULL
		ORDER BY c.org_id, c.id, l.event_id
		ON CONFLICT (org_id, consumer_id, event_id) DO UPDATE SET next_at = excluded.next_at, tries = 0, died_at = NULL`, orgs, endpoints, events)
}

// maxBackfill bounds how many dead letters a new consumer starts with, and maxScan how
// many deliveries are read to find them.
const (
	maxBackfill = 1_000
	maxScan     = 100_000
)

// backfill gives a new consumer the newest dead letters of its endpoint.
func backfill(ctx context.Context, tx pg.Tx, org id.Org, c Consumer) error {
	return pg.Exec(ctx, tx, "consumer.backfill", `
		INSERT INTO event_consumer_item (org_id, consumer_id, event_id)
		SELECT $1, $2, event_id FROM (
			SELECT event_id, status FROM webhook_delivery
			WHERE org_id = $1 AND endpoint_id = $3 ORDER BY event_id DESC LIMIT $4) AS d
		WHERE status = 'failed' LIMIT $5`, org, c.ID, c.DeadLettersOf, maxScan, maxBackfill)
}
