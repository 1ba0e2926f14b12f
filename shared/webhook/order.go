package webhook

import (
	"bytes"
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// How ordering works. A delivery to an ordered endpoint has the ordering key and
// the seq of its event. Only the head of a key, the delivery with the lowest
// unfinished seq, has a next_retry_at. The others have 'infinity', so that claims
// skip them at no cost. When the head is finished, the dispatcher makes the next
// delivery due. A publish locks the key's row for its transaction, and a
// dispatcher locks it before it looks for the next head, so neither misses what
// the other is about to commit.

// OrderedKey is one ordering key at one endpoint.
type OrderedKey struct {
	Lane
	Key string
}

// ScanRow reads org_id, endpoint_id and ordering_key.
func (k *OrderedKey) ScanRow(row pgx.Rows) error { return row.Scan(&k.OrgID, &k.EndpointID, &k.Key) }

// Compare orders keys as publishes lock them.
func (k OrderedKey) Compare(other OrderedKey) int {
	return cmp.Or(bytes.Compare(k.OrgID.UUID[:], other.OrgID.UUID[:]), cmp.Compare(k.Key, other.Key),
		bytes.Compare(k.EndpointID.UUID[:], other.EndpointID.UUID[:]))
}

func orderedColumns(keys []OrderedKey) (orgs []id.Org, endpoints []id.WebhookEndpoint, texts []string) {
	for _, k := range keys {
		orgs, endpoints, texts = append(orgs, k.OrgID), append(endpoints, k.EndpointID), append(texts, k.Key)
	}
	return orgs, endpoints, texts
}

// KeyLock says whom the lock of an ordering key holds up.
type KeyLock string

// The locks of an ordering key.
const (
	LockPublishes  KeyLock = "SHARE"         // only publishes with the key wait
	LockEverything KeyLock = "NO KEY UPDATE" // also the results of its deliveries and its resumption wait
)

// LockKeys locks ordering keys until the transaction ends. They must be sorted, so
// that two transactions cannot wait for each other.
func LockKeys(ctx context.Context, tx pg.Tx, keys []OrderedKey, lock KeyLock) error {
	if len(keys) == 0 {
		return nil
	}
	orgs, _, texts := orderedColumns(keys)
	return pg.Exec(ctx, tx, "webhook.lockKeys", `
		SELECT FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (org_id, key, position)
		JOIN ordering_key o ON o.org_id = k.org_id AND o.key = k.key
		ORDER BY k.position FOR `+string(lock)+` OF o`, orgs, texts)
}

// PauseKeys pauses each of these keys because the delivery of an event, its head,
// has failed permanently. It pauses none of a deleted endpoint, whose other
// deliveries are given up. The caller must have locked the keys.
func PauseKeys(ctx context.Context, tx pg.Tx, keys []OrderedKey, failed []id.Event) error {
	if len(keys) == 0 {
		return nil
	}
	orgs, endpoints, texts := orderedColumns(keys)
	return pg.Exec(ctx, tx, "webhook.pauseKeys", `
		INSERT INTO webhook_paused_key (org_id, endpoint_id, ordering_key, event_id, paused_at)
		SELECT k.org_id, k.endpoint_id, k.key, k.event_id, portico_now()
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS k (org_id, endpoint_id, key, event_id)
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.endpoint_id AND e.deleted_at IS NULL
		ON CONFLICT DO NOTHING`, orgs, endpoints, texts, failed)
}

// Advance makes the waiting heads of keys due, except those of paused keys. It
// returns their endpoints. The caller must have locked the keys.
func Advance(ctx context.Context, tx pg.Tx, keys []OrderedKey) ([]Lane, error) {
	orgs, endpoints, texts := orderedColumns(keys)
	return pg.List[Lane](ctx, tx, "webhook.advance", `
		UPDATE webhook_delivery d SET next_retry_at = portico_now()
		FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (org_id, endpoint_id, key)
		CROSS JOIN LATERAL (
			SELECT w.event_id, w.next_retry_at FROM webhook_delivery w
			WHERE w.org_id = k.org_id AND w.endpoint_id = k.endpoint_id AND w.ordering_key = k.key AND w.status = 'pending'
			ORDER BY w.seq LIMIT 1
		) head
		WHERE d.org_id = ANY (ARRAY[k.org_id]) AND d.event_id = head.event_id AND d.endpoint_id = k.endpoint_id
			AND head.next_retry_at = 'infinity'
			AND NOT EXISTS (SELECT FROM webhook_paused_key p
				WHERE p.org_id = k.org_id AND p.endpoint_id = k.endpoint_id AND p.ordering_key = k.key)
		RETURNING d.org_id, d.endpoint_id`, orgs, endpoints, texts)
}
