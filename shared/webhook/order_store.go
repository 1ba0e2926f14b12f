package webhook

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// KeyLag is how far an ordered endpoint is behind with one ordering key.
type KeyLag struct {
	Key      string
	Pending  int64        // unfinished deliveries
	HeadID   *id.Delivery // the delivery that the others wait for; nil if none is pending
	Oldest   *time.Time   // when the head's event was published
	PausedBy *id.Event    // the event whose delivery failed permanently and paused the key
	PausedAt *time.Time
}

// ErrKeyNotPaused is returned when a key cannot be resumed because it is not
// paused.
var ErrKeyNotPaused = fault.New(fault.Conflict, "ordering_key_not_paused",
	"This ordering key is not paused at this webhook endpoint.").
	Means("No delivery of the ordering key has failed permanently: there is nothing to resume.")

// ListKeyLags returns the ordering keys that have unfinished deliveries to the
// endpoint or are paused: up to limit of them after a given key, sorted.
func ListKeyLags(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, after string, limit int) ([]KeyLag, error) {
	return pg.List[KeyLag](ctx, tx, "webhook.ListKeyLags", `
		WITH pending AS (
			SELECT ordering_key, count(*) AS pending, min(seq) AS head FROM webhook_delivery
			WHERE org_id = $1 AND endpoint_id = $2 AND status = 'pending' AND ordering_key > $3
			GROUP BY ordering_key ORDER BY ordering_key LIMIT $4
		), paused AS (
			SELECT ordering_key, event_id, paused_at FROM webhook_paused_key
			WHERE org_id = $1 AND endpoint_id = $2 AND ordering_key > $3
			ORDER BY ordering_key LIMIT $4
		)
		SELECT coalesce(k.ordering_key, p.ordering_key) AS key, coalesce(k.pending, 0) AS pending, d.id AS head_id, e.created_at AS oldest,
			p.event_id AS paused_by, p.paused_at
		FROM pending k FULL JOIN paused p ON p.ordering_key = k.ordering_key
		LEFT JOIN webhook_delivery d ON d.org_id = $1 AND d.endpoint_id = $2 AND d.status = 'pending'
			AND d.ordering_key = k.ordering_key AND d.seq = k.head
		LEFT JOIN event e ON e.org_id = $1 AND e.id = d.event_id
		ORDER BY key LIMIT $4`, org, endpoint, after, limit)
}

// ResumeKey resumes a paused ordering key with the delivery after the failed one.
// It reports whether that made a delivery due.
func ResumeKey(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, key string) (due bool, err error) {
	keys := []OrderedKey{{Lane{org, endpoint}, key}}
	if err := LockKeys(ctx, tx, keys, LockPublishes); err != nil {
		return false, err
	}
	resumed, err := pg.Affect(ctx, tx, "webhook.ResumeKey", `
		DELETE FROM webhook_paused_key WHERE org_id = $1 AND endpoint_id = $2 AND ordering_key = $3`, org, endpoint, key)
	if err != nil {
		return false, err
	}
	if resumed == 0 {
		return false, ErrKeyNotPaused
	}
	advanced, err := Advance(ctx, tx, keys)
	return len(advanced) > 0, err
}

// ReleaseKeys resumes up to limit ordering keys that are paused at deleted
// endpoints, because a customer cannot: the deliveries that wait there are then
// given up like the endpoint's others. It returns how many. A key that a publish
// has locked is left for the next run. Closed organizations are left out: erasing
// removes their keys. The caller must have lowered the due time.
func ReleaseKeys(ctx context.Context, tx pg.Tx, limit int) (int, error) {
	keys, err := pg.List[OrderedKey](ctx, tx, "webhook.ReleaseKeys", `
		SELECT p.org_id, p.endpoint_id, p.ordering_key
		FROM webhook_paused_key p
		JOIN webhook_endpoint ON webhook_endpoint.org_id = p.org_id AND webhook_endpoint.id = p.endpoint_id
		JOIN ordering_key o ON o.org_id = p.org_id AND o.key = p.ordering_key
		WHERE webhook_endpoint.deleted_at IS NOT NULL AND `+livesHere+` AND `+notClosed+`
		ORDER BY p.org_id, p.ordering_key LIMIT $1 FOR SHARE OF o SKIP LOCKED`, limit)
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	orgs, endpoints, texts := orderedColumns(keys)
	err = pg.Exec(ctx, tx, "webhook.ReleaseKeys", `
		DELETE FROM webhook_paused_key p USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (org_id, endpoint_id, key)
		WHERE p.org_id = k.org_id AND p.endpoint_id = k.endpoint_id AND p.ordering_key = k.key`, orgs, endpoints, texts)
	if err != nil {
		return 0, err
	}
	_, err = Advance(ctx, tx, keys)
	return len(keys), err
}
