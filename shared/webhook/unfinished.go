package webhook

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Unfinished is an endpoint with unfinished deliveries, and the reason why they
// wait.
type Unfinished struct {
	Org      id.Org             `json:"organization"`
	Endpoint id.WebhookEndpoint `json:"endpoint"`
	Waits    string             `json:"waits"`
}

// ListUnfinished returns up to limit endpoints with unfinished deliveries of
// events that were published at since or later, and before till.
func ListUnfinished(ctx context.Context, db *pg.Worker, since, till time.Time, limit int) ([]Unfinished, error) {
	return pg.List[Unfinished](ctx, db, "webhook.ListUnfinished", `
		WITH RECURSIVE pending AS (
			(SELECT org_id, endpoint_id FROM webhook_delivery
			WHERE status = 'pending' AND event_id >= uuid_floor($1) AND event_id < uuid_floor($2)
			ORDER BY org_id, endpoint_id LIMIT 1)
			UNION ALL
			SELECT n.org_id, n.endpoint_id FROM pending p CROSS JOIN LATERAL (
				SELECT d.org_id, d.endpoint_id FROM webhook_delivery d
				WHERE d.status = 'pending' AND d.event_id >= uuid_floor($1) AND d.event_id < uuid_floor($2)
					AND (d.org_id, d.endpoint_id) > (p.org_id, p.endpoint_id)
				ORDER BY d.org_id, d.endpoint_id LIMIT 1
			) n
		)
		SELECT p.org_id AS org, p.endpoint_id AS endpoint, CASE
			WHEN EXISTS (SELECT FROM placement m WHERE m.org_id = p.org_id AND m.state = 'left') THEN 'moved to another database, not erased here'
			WHEN e.deleted_at IS NOT NULL THEN 'endpoint deleted'
			WHEN e.status = 'disabled' THEN 'endpoint disabled'
			WHEN EXISTS (SELECT FROM webhook_paused_key k WHERE k.org_id = p.org_id AND k.endpoint_id = p.endpoint_id) THEN 'ordering key paused'
			ELSE 'retries' END AS waits
		FROM pending p LEFT JOIN webhook_endpoint e ON e.org_id = p.org_id AND e.id = p.endpoint_id
		LIMIT $3`, since, till, limit)
}

// ExpungedError stands instead of the error of a failed try whose event was expunged.
const ExpungedError = "removed: the event was expunged"

// waiting is a delivery that waits in the order of its key.
type waiting struct {
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
	behind, err := pg.List[waiting](ctx, tx, "webhook.Expunge", `
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
	keys := make([]OrderedKey, len(behind))
	for i, w := range behind {
		keys[i] = OrderedKey{Lane: Lane{OrgID: org, EndpointID: w.EndpointID}, Key: w.OrderingKey}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return Advance(ctx, tx, keys)
}
