package event

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// PublishTest publishes an event that only one endpoint gets, whatever it subscribes to.
// It returns the event and its delivery.
func PublishTest(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, d Draft, now time.Time) (Event, id.Delivery, error) {
	e := Event{
		ID: id.New[id.Event](now), Type: d.Type, PublishedBy: d.PublishedBy, CreatedAt: now, TestEndpointID: endpoint,
		Fanout: fanout.Fanout{Deliveries: 1},
	}
	e.Payload = payload(e.ID, d, now)
	var batch pgx.Batch
	batch.Queue(`
		INSERT INTO event (org_id, id, type, payload, created_at, published_by, test_endpoint_id) VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7)`,
		org, e.ID, e.Type, e.Payload, e.CreatedAt, e.PublishedBy, endpoint)
	webhook.Enqueue(&batch, org, []webhook.NewDelivery{{EventID: e.ID, EndpointID: endpoint}})
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return Event{}, id.Delivery{}, fmt.Errorf("event.PublishTest: %w", err)
	}
	delivery, err := pg.Value[id.Delivery](ctx, tx, "event.PublishTest", `
		SELECT id FROM webhook_delivery WHERE org_id = $1 AND event_id = $2 AND endpoint_id = $3`, org, e.ID, endpoint)
	return e, delivery, err
}
