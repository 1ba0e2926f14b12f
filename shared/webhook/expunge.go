package webhook

import (
	"context"

	"portico/shared/id"
	"portico/shared/pg"
)

// ExpungedError stands instead of the error of a failed try whose event was expunged.
const ExpungedError = "removed: the event was expunged"

// unfinished is a delivery that waits in the order of its key.
type unfinished struct {
	EndpointID  id.WebhookEndpoint
	OrderingKey string
}

// Expunge removes what tries of an event have left in the log, and fails its
// unfinished deliveries. It returns the endpoints at which the next delivery of the
// event's ordering key is due now; key is nil if the event has none.
//
// A try in flight loses its lease, so its result is discarded and nothing of it gets
// into the log. The caller must have lowered the due time, and marks the event in the
// transaction: claims do not send an expunged event, so a delivery that somebody makes
// due at the same time is not sent either.
func Expunge(ctx context.Context, tx pg.Tx, org id.Org, event id.Event, key *string) ([]Lane, error) {
	if key != nil { // before the deliveries, as everybody does
		if err := LockKeys(ctx, tx, []OrderedKey{{Lane: Lane{OrgID: org}, Key: *key}}, LockEverything); err != nil {
			return nil, err
		}
	}
	// Waits for results that are being written. The next statements see them.
	if err := pg.Exec(ctx, tx, "webhook.Expunge", `
		SELECT FROM webhook_delivery WHERE org_id = $1 AND event_id = $2 ORDER BY endpoint_id FOR NO KEY UPDATE`, org, event); err != nil {
		return nil, err
	}
	waiting, err := pg.List[unfinished](ctx, tx, "webhook.Expunge", `
		SELECT endpoint_id, ordering_key FROM webhook_delivery
		WHERE org_id = $1 AND event_id = $2 AND status = 'pending' AND ordering_key IS NOT NULL ORDER BY endpoint_id`, org, event)
	if err != nil {
		return nil, err
	}
	if err := pg.Exec(ctx, tx, "webhook.Expunge", `
		UPDATE webhook_delivery SET ordering_key = NULL, status = CASE status WHEN 'pending' THEN 'failed' ELSE status END,
			completed_at = coalesce(completed_at, portico_now()), next_retry_at = NULL, lease = NULL, leased_until = NULL
		WHERE org_id = $1 AND event_id = $2`, org, event); err != nil {
		return nil, err
	}
	if err := pg.Exec(ctx, tx, "webhook.Expunge", `
		UPDATE webhook_attempt SET response_body = '', exchange = NULL, error = CASE WHEN error IS NOT NULL THEN $3 END
		WHERE org_id = $1 AND event_id = $2`, org, event, ExpungedError); err != nil {
		return nil, err
	}
	keys := make([]OrderedKey, len(waiting))
	for i, w := range waiting {
		keys[i] = OrderedKey{Lane: Lane{OrgID: org, EndpointID: w.EndpointID}, Key: w.OrderingKey}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return Advance(ctx, tx, keys)
}
