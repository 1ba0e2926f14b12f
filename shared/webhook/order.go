package webhook

import (
	"bytes"
	"cmp"
	"context"
	"slices"

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

// orderedKey is one ordering key at one endpoint.
type orderedKey struct {
	endpointKey
	key string
}

// ScanRow reads org_id, endpoint_id and ordering_key.
func (k *orderedKey) ScanRow(row pgx.Rows) error { return row.Scan(&k.org, &k.endpoint, &k.key) }

// finishedKeys returns the ordering keys of the deliveries that a batch finishes,
// each once, in the same order as publishes lock them.
func finishedKeys(batch []Result) []orderedKey {
	var keys []orderedKey
	for _, r := range batch {
		if r.OrderingKey != nil && r.Status != Pending {
			keys = append(keys, orderedKey{endpointKey{r.Org, r.EndpointID}, *r.OrderingKey})
		}
	}
	slices.SortFunc(keys, func(a, b orderedKey) int {
		return cmp.Or(bytes.Compare(a.org.UUID[:], b.org.UUID[:]), cmp.Compare(a.key, b.key),
			bytes.Compare(a.endpoint.UUID[:], b.endpoint.UUID[:]))
	})
	return slices.Compact(keys)
}

func orderedColumns(keys []orderedKey) (orgs []id.Org, endpoints []id.WebhookEndpoint, texts []string) {
	for _, k := range keys {
		orgs, endpoints, texts = append(orgs, k.org), append(endpoints, k.endpoint), append(texts, k.key)
	}
	return orgs, endpoints, texts
}

// lockKeys locks these keys until the transaction ends. The strength "SHARE"
// blocks publishes; "NO KEY UPDATE" also blocks results and resumptions.
func lockKeys(ctx context.Context, tx pg.Tx, keys []orderedKey, strength string) error {
	if len(keys) == 0 {
		return nil
	}
	orgs, _, texts := orderedColumns(keys)
	return pg.Exec(ctx, tx, "webhook.lockKeys", `
		SELECT FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (org_id, key, position)
		JOIN ordering_key o ON o.org_id = k.org_id AND o.key = k.key
		ORDER BY k.position FOR `+strength+` OF o`, orgs, texts)
}

// pauseKeys pauses the keys whose head has just failed, if the endpoint's policy
// is to pause. It pauses none of a deleted endpoint, whose other deliveries are
// given up.
func pauseKeys(ctx context.Context, tx pg.Tx, batch []Result) error {
	var keys []orderedKey
	var events []id.Event
	for _, r := range batch {
		if r.OrderingKey != nil && r.Status == Failed && r.Tried && r.Endpoint.Pauses {
			keys = append(keys, orderedKey{endpointKey{r.Org, r.EndpointID}, *r.OrderingKey})
			events = append(events, r.EventID)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	orgs, endpoints, texts := orderedColumns(keys)
	return pg.Exec(ctx, tx, "webhook.pauseKeys", `
		INSERT INTO webhook_paused_key (org_id, endpoint_id, ordering_key, event_id, paused_at)
		SELECT k.org_id, k.endpoint_id, k.key, k.event_id, portico_now()
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS k (org_id, endpoint_id, key, event_id)
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.endpoint_id AND e.deleted_at IS NULL
		ON CONFLICT DO NOTHING`, orgs, endpoints, texts, events)
}

// advance makes the waiting heads of keys due, except those of paused keys. It
// returns their endpoints. The caller must have locked the keys.
func advance(ctx context.Context, tx pg.Tx, keys []orderedKey) ([]endpointKey, error) {
	orgs, endpoints, texts := orderedColumns(keys)
	return pg.List[endpointKey](ctx, tx, "webhook.advance", `
		UPDATE webhook_delivery d SET next_retry_at = portico_now()
		FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (org_id, endpoint_id, key)
		CROSS JOIN LATERAL (
			SELECT w.event_id, w.next_retry_at FROM webhook_delivery w
			WHERE w.org_id = k.org_id AND w.endpoint_id = k.endpoint_id AND w.ordering_key = k.key AND w.status = 'pending'
			ORDER BY w.seq LIMIT 1
		) head
		WHERE d.org_id = k.org_id AND d.event_id = head.event_id AND d.endpoint_id = k.endpoint_id
			AND head.next_retry_at = 'infinity'
			AND NOT EXISTS (SELECT FROM webhook_paused_key p
				WHERE p.org_id = k.org_id AND p.endpoint_id = k.endpoint_id AND p.ordering_key = k.key)
		RETURNING d.org_id, d.endpoint_id`, orgs, endpoints, texts)
}
