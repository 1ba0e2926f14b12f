package event

import (
	"context"
	"encoding/json"
	"slices"

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

// ExpungeAll does the same with several events, and returns how many it has expunged:
// those that exist and were not expunged before. It locks in the order in which others
// do, so that they cannot wait for each other: the events, their ordering keys, the
// consumers that have them, and then their deliveries in the order of the events.
func ExpungeAll(ctx context.Context, tx pg.Tx, org id.Org, events []id.Event) (expunged int, due []id.WebhookEndpoint, err error) {
	list, err := pg.List[Event](ctx, tx, "event.ExpungeAll", `
		SELECT `+columns+`, NULL::bytea AS payload FROM event e WHERE org_id = $1 AND id = ANY ($2) AND expunged_at IS NULL ORDER BY id FOR NO KEY UPDATE OF e`, org, events)
	if err != nil {
		return 0, nil, err
	}
	var keys []webhook.OrderedKey
	for _, e := range list {
		if e.OrderingKey != nil {
			keys = append(keys, webhook.OrderedKey{Lane: webhook.Lane{OrgID: org}, Key: *e.OrderingKey})
		}
	}
	slices.SortFunc(keys, webhook.OrderedKey.Compare)
	if err := webhook.LockKeys(ctx, tx, slices.Compact(keys), webhook.LockEverything); err != nil {
		return 0, nil, err
	}
	if err := consumer.LockReaders(ctx, tx, org, events); err != nil {
		return 0, nil, err
	}
	for _, e := range list {
		more, err := expunge(ctx, tx, org, e)
		if err != nil {
			return 0, nil, err
		}
		due = append(due, more...)
	}
	return len(list), due, nil
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
