// Package recovery sends again what has finished: one delivery, or those of an endpoint
// in a range of time. It also sends an endpoint past events of which it had no delivery.
// Such a recovery is a job that works in pages.
package recovery

import (
	"context"
	"fmt"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// A redelivery makes a delivery that has finished due again, with the tries of a whole
// schedule. Its tries go on counting, and the log keeps the earlier ones. It has left
// the order of its ordering key: it waits for no other delivery and none waits for it,
// because the ones behind it may have been sent long ago.

// maxRedelivered bounds the tries of a delivery that may be redelivered, because
// each try is kept in the log.
const maxRedelivered = 1000

// The reasons for which a delivery cannot be redelivered.
var (
	ErrEndpointDeleted = fault.New(fault.Conflict, "webhook_endpoint_deleted",
		"The webhook endpoint of this delivery is deleted, so nothing can be sent there. Create an endpoint and replay the events to it.").
		Means("The webhook endpoint of the delivery is deleted. Create an endpoint and replay the events to it.")
	ErrEventGone = fault.New(fault.Conflict, "event_not_kept",
		"The event of this delivery is no longer kept, so there is nothing to send. Publish it again.").
		Means("The event is older than events are kept. Publish it again.")
	ErrEventExpunged = fault.New(fault.Conflict, "event_expunged",
		"The event of this delivery was expunged, so there is nothing to send. Publish a new event if it is still needed.").
		Means("The event was expunged: its data are gone, and it is not sent again. Publish a new event if it is still needed.")
	ErrWaitsInOrder = fault.New(fault.Conflict, "delivery_waits_in_order",
		"This delivery waits for an earlier one with the same ordering key. Redeliver that one, or resume the key if it is paused.").
		Means("An earlier delivery with the same ordering key is unfinished or has paused the key: redeliver that one, or resume the key.")
	ErrTriedTooOften = fault.New(fault.Conflict, "delivery_tried_too_often",
		fmt.Sprintf("This delivery has had %d tries or more. Publish the event again.", maxRedelivered)).
		Means("The delivery has had too many tries to be redelivered. Publish the event again.")
)

// redeliverable is a delivery that is to be redelivered.
type redeliverable struct {
	EventID         id.Event
	EndpointID      id.WebhookEndpoint
	OrderingKey     *string
	Pending         bool // and will be tried
	Waits           bool // for others with its ordering key
	Attempts        int16
	EndpointDeleted bool
	EventKept       bool
	EventExpunged   bool
}

// check returns why the delivery cannot be redelivered.
func (r redeliverable) check() error {
	switch {
	case r.EndpointDeleted:
		return ErrEndpointDeleted
	case !r.EventKept:
		return ErrEventGone
	case r.EventExpunged:
		return ErrEventExpunged
	case r.Pending && r.Waits:
		return ErrWaitsInOrder
	case !r.Pending && r.Attempts >= maxRedelivered:
		return ErrTriedTooOften
	}
	return nil
}

// isLapsed is true for a delivery d, pending in its row, that has failed without a
// dispatcher having noticed: e is its endpoint.
const isLapsed = `((` + webhook.IsDropped + ` OR ` + webhook.IsExpired + `) IS TRUE)`

const redeliverableSQL = `
	SELECT d.event_id, d.endpoint_id, d.ordering_key, d.status = 'pending' AND NOT ` + isLapsed + ` AS pending, d.next_retry_at IS NOT DISTINCT FROM 'infinity' AS waits, d.attempts,
		e.deleted_at IS NOT NULL AS endpoint_deleted, EXISTS (SELECT FROM event v WHERE v.org_id = d.org_id AND v.id = d.event_id) AS event_kept,
		EXISTS (SELECT FROM event v WHERE v.org_id = d.org_id AND v.id = d.event_id AND v.expunged_at IS NOT NULL) AS event_expunged
	FROM webhook_delivery d JOIN webhook_endpoint e ON e.org_id = d.org_id AND e.id = d.endpoint_id
	WHERE d.org_id = $1 AND d.event_id BETWEEN $2 AND $3 AND d.id = $4`

// Redeliver makes a delivery due now: one that has finished begins anew, and one that
// waits for its next try has it now. It returns the delivery as it is then. The caller
// must have lowered the due time.
func Redeliver(ctx context.Context, tx pg.Tx, org id.Org, delivery id.Delivery) (webhook.Delivery, error) {
	lo, hi := delivery.Bounds()
	found, err := pg.One[redeliverable](ctx, tx, "recovery.Redeliver", webhook.ErrDeliveryNotFound, redeliverableSQL, org, lo, hi, delivery)
	if err != nil {
		return webhook.Delivery{}, err
	}
	if found.OrderingKey != nil { // dispatchers and publishes lock the key first, too
		if err := webhook.LockKeys(ctx, tx, []webhook.OrderedKey{{Lane: webhook.Lane{OrgID: org, EndpointID: found.EndpointID}, Key: *found.OrderingKey}}, webhook.LockPublishes); err != nil {
			return webhook.Delivery{}, err
		}
	}
	found, err = pg.One[redeliverable](ctx, tx, "recovery.Redeliver", webhook.ErrDeliveryNotFound, redeliverableSQL+` FOR NO KEY UPDATE OF d`, org, lo, hi, delivery)
	if err != nil {
		return webhook.Delivery{}, err
	}
	if err := found.check(); err != nil {
		return webhook.Delivery{}, err
	}
	if found.Pending {
		// While it is being sent, that is the try.
		err = pg.Exec(ctx, tx, "recovery.Redeliver", `
			UPDATE webhook_delivery SET next_retry_at = portico_now()
			WHERE org_id = $1 AND event_id = $2 AND endpoint_id = $3 AND status = 'pending' AND next_retry_at > portico_now() AND next_retry_at < 'infinity'`,
			org, found.EventID, found.EndpointID)
	} else {
		_, err = RedeliverAll(ctx, tx, webhook.Lane{OrgID: org, EndpointID: found.EndpointID}, []id.Event{found.EventID}, []webhook.Status{webhook.Delivered, webhook.Failed})
	}
	if err != nil {
		return webhook.Delivery{}, err
	}
	return webhook.GetDelivery(ctx, tx, org, delivery)
}

// RedeliverAll redelivers the deliveries of events to an endpoint that have finished
// with one of these statuses, and returns how many. It leaves those whose event is not
// kept or was expunged, and those that were tried too often. The caller must have lowered the due time.
func RedeliverAll(ctx context.Context, tx pg.Tx, lane webhook.Lane, events []id.Event, statuses []webhook.Status) (int, error) {
	keys, err := lapsedKeys(ctx, tx, lane, events)
	if err != nil {
		return 0, err
	}
	if err := webhook.LockKeys(ctx, tx, keys, webhook.LockPublishes); err != nil {
		return 0, err
	}
	made, err := pg.Affect(ctx, tx, "recovery.RedeliverAll", `
		UPDATE webhook_delivery d SET status = 'pending', next_retry_at = portico_now(), completed_at = NULL, lease = NULL, leased_until = NULL, expired = false,
			ordering_key = NULL, seq = NULL, tries_before = d.attempts, redelivered_at = portico_now(), expires_at = NULL
		FROM unnest($3::uuid[]) AS k (event_id), webhook_endpoint e
		WHERE e.org_id = $1 AND e.id = $2 AND e.deleted_at IS NULL
			AND d.org_id = ANY (ARRAY[e.org_id]) AND d.event_id = k.event_id AND d.endpoint_id = e.id AND d.attempts < $5
			AND CASE WHEN d.status = 'pending' THEN `+isLapsed+` AND 'failed' = ANY ($4::text[]) AND (d.ordering_key IS NULL OR d.ordering_key = ANY ($6::text[]))
				ELSE d.status = ANY ($4::text[]) END
			AND EXISTS (SELECT FROM event v WHERE v.org_id = $1 AND v.id = k.event_id AND v.expunged_at IS NULL)`,
		lane.OrgID, lane.EndpointID, events, statuses, maxRedelivered, textsOf(keys))
	if err != nil || len(keys) == 0 {
		return int(made), err
	}
	_, err = webhook.Advance(ctx, tx, keys)
	return int(made), err
}

func textsOf(keys []webhook.OrderedKey) []string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.Key
	}
	return texts
}

// lapsedKeys returns the ordering keys of those deliveries that are pending in their
// rows and have failed: the ones behind them must not wait for them. Sorted.
func lapsedKeys(ctx context.Context, tx pg.Tx, lane webhook.Lane, events []id.Event) ([]webhook.OrderedKey, error) {
	texts, err := pg.List[string](ctx, tx, "recovery.lapsedKeys", `
		SELECT DISTINCT d.ordering_key COLLATE "C" FROM unnest($3::uuid[]) AS k (event_id), webhook_delivery d, webhook_endpoint e
		WHERE e.org_id = $1 AND e.id = $2 AND d.org_id = ANY (ARRAY[e.org_id]) AND d.event_id = k.event_id AND d.endpoint_id = e.id
			AND d.status = 'pending' AND d.ordering_key IS NOT NULL AND `+isLapsed+`
		ORDER BY 1`, lane.OrgID, lane.EndpointID, events)
	keys := make([]webhook.OrderedKey, len(texts))
	for i, text := range texts {
		keys[i] = webhook.OrderedKey{Lane: lane, Key: text}
	}
	return keys, err
}
