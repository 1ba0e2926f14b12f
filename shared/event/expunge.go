package event

import (
	"context"
	"encoding/json"

	"portico/shared/consumer"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// Expunge removes what the customer has sent with an event, and what its deliveries
// have left: its row stays as a stub whose data is null. It returns the event before
// and after, and the endpoints that have a delivery due now because it no longer
// waits for one of this event. An event that was expunged before does not change. The
// caller must have lowered the due time.
func Expunge(ctx context.Context, tx pg.Tx, org id.Org, event id.Event) (before, after Event, due []id.WebhookEndpoint, err error) {
	before, err = pg.One[Event](ctx, tx, "event.Expunge", ErrNotFound, `
		SELECT `+columns+`, payload FROM event e WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE OF e`, org, event)
	if err != nil {
		return before, after, nil, err
	}
	if before.ExpungedAt == nil {
		if due, err = expunge(ctx, tx, org, before); err != nil {
			return before, after, nil, err
		}
	}
	after, err = Get(ctx, tx, org, event)
	return before, after, due, err
}

func expunge(ctx context.Context, tx pg.Tx, org id.Org, e Event) (due []id.WebhookEndpoint, err error) {
	lanes, err := webhook.Expunge(ctx, tx, org, e.ID, e.OrderingKey)
	if err != nil {
		return nil, err
	}
	for _, lane := range lanes {
		due = append(due, lane.EndpointID)
	}
	if err := consumer.Expunge(ctx, tx, org, e.ID); err != nil {
		return nil, err
	}
	if err := pg.Exec(ctx, tx, "event.Expunge", `DELETE FROM event_external_id WHERE org_id = $1 AND event_id = $2`, org, e.ID); err != nil {
		return nil, err
	}
	// Whoever reads a payload finds the same members in it.
	stub := payload(e.ID, Draft{Type: e.Type, Data: json.RawMessage("null")}, e.CreatedAt.UTC())
	return due, pg.Exec(ctx, tx, "event.Expunge", `
		UPDATE event SET payload = $3, ordering_key = NULL, expunged_at = portico_now() WHERE org_id = $1 AND id = $2`, org, e.ID, stub)
}
