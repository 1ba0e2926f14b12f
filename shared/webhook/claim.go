package webhook

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Claim is a delivery leased to one dispatcher: nobody else sends it until the
// lease ends, and nothing is written about it under another lease.
type Claim struct {
	Org        id.Org
	EventID    id.Event
	EndpointID id.WebhookEndpoint
	Attempts   int16 // tries made before this one
	Due        time.Time
	Lease      uuid.UUID

	Payload  []byte // shared by all deliveries of an event: never written to
	Endpoint *Target
}

// Target is where to send and how to sign; nil in a Claim whose endpoint is gone.
type Target struct {
	URL      string
	Schedule Schedule
	Timeout  time.Duration
	Headers  map[string]string // the customer's own
	Scheme   string
	Secrets  []string           // newest first
	Key      ed25519.PrivateKey // nil unless the scheme was once StandardAsymmetric
}

// claimDue leases due deliveries of the endpoints whose turn it is until now +
// lease, the oldest of each first. A row that another dispatcher is claiming at
// the same moment is skipped, not awaited.
func claimDue(ctx context.Context, db *pg.Worker, turns []turn, lease time.Duration) ([]Claim, error) {
	token := uuid.New()
	orgs, endpoints, rooms := make([]id.Org, len(turns)), make([]id.WebhookEndpoint, len(turns)), make([]int32, len(turns))
	for i, t := range turns {
		orgs[i], endpoints[i], rooms[i] = t.org, t.endpoint, int32(t.room)
	}
	rows, err := db.Query(ctx, `
		WITH due AS MATERIALIZED (
			SELECT d.* FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS t (org_id, endpoint_id, room)
			CROSS JOIN LATERAL (
				SELECT w.org_id, w.event_id, w.endpoint_id, w.next_retry_at
				FROM webhook_delivery w
				WHERE w.org_id = t.org_id AND w.endpoint_id = t.endpoint_id
					AND w.status = 'pending' AND w.next_retry_at <= (SELECT portico_now())
				ORDER BY w.next_retry_at
				LIMIT t.room
				FOR UPDATE SKIP LOCKED
			) d
		)
		UPDATE webhook_delivery d SET lease = $4, next_retry_at = portico_now() + $5
		FROM due
		WHERE d.org_id = due.org_id AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
		RETURNING d.org_id, d.event_id, d.endpoint_id, d.attempts, due.next_retry_at`,
		orgs, endpoints, rooms, token, lease)
	if err != nil {
		return nil, fmt.Errorf("webhook.claimDue: %w", err)
	}
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Claim, error) {
		c := Claim{Lease: token}
		err := row.Scan(&c.Org, &c.EventID, &c.EndpointID, &c.Attempts, &c.Due)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("webhook.claimDue: %w", err)
	}
	return claims, nil
}

// findDue returns the endpoints that have something due. It steps through the
// index from one endpoint with pending deliveries to the next, so its cost is
// theirs in number, however long their backlogs are.
func findDue(ctx context.Context, db *pg.Worker) ([]endpointKey, error) {
	rows, err := db.Query(ctx, `
		WITH RECURSIVE lane AS (
			(SELECT org_id, endpoint_id FROM webhook_delivery WHERE status = 'pending'
			ORDER BY org_id, endpoint_id LIMIT 1)
			UNION ALL
			SELECT n.org_id, n.endpoint_id FROM lane l CROSS JOIN LATERAL (
				SELECT d.org_id, d.endpoint_id FROM webhook_delivery d
				WHERE d.status = 'pending' AND (d.org_id, d.endpoint_id) > (l.org_id, l.endpoint_id)
				ORDER BY d.org_id, d.endpoint_id LIMIT 1
			) n
		)
		SELECT l.org_id, l.endpoint_id FROM lane l WHERE EXISTS (
			SELECT FROM webhook_delivery d
			WHERE d.org_id = l.org_id AND d.endpoint_id = l.endpoint_id
				AND d.status = 'pending' AND d.next_retry_at <= (SELECT portico_now()))`)
	if err != nil {
		return nil, fmt.Errorf("webhook.findDue: %w", err)
	}
	var keys []endpointKey
	var k endpointKey
	if _, err = pgx.ForEachRow(rows, []any{&k.org, &k.endpoint}, func() error { keys = append(keys, k); return nil }); err != nil {
		return nil, fmt.Errorf("webhook.findDue: %w", err)
	}
	return keys, nil
}

type endpointKey struct {
	org      id.Org
	endpoint id.WebhookEndpoint
}

type eventKey struct {
	org   id.Org
	event id.Event
}

// load fills in payloads and targets, each read once however many deliveries
// share it, in one round trip.
func load(ctx context.Context, db *pg.Worker, box *secret.Box, claims []Claim) error {
	targets, payloads := map[endpointKey]*Target{}, map[eventKey][]byte{}
	var batch pgx.Batch
	queueTargets(&batch, box, claims, targets)
	queuePayloads(&batch, claims, payloads)
	if err := db.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("webhook.load: %w", err)
	}
	for i := range claims {
		c := &claims[i]
		c.Endpoint = targets[endpointKey{c.Org, c.EndpointID}]
		c.Payload = payloads[eventKey{c.Org, c.EventID}]
	}
	return nil
}

func queueTargets(batch *pgx.Batch, box *secret.Box, claims []Claim, into map[endpointKey]*Target) {
	var orgs []id.Org
	var endpoints []id.WebhookEndpoint
	seen := map[endpointKey]bool{}
	for _, c := range claims {
		if k := (endpointKey{c.Org, c.EndpointID}); !seen[k] {
			seen[k] = true
			orgs, endpoints = append(orgs, c.Org), append(endpoints, c.EndpointID)
		}
	}
	batch.Queue(`
		SELECT e.org_id, e.id, e.url, e.retry_policy, e.retry_schedule, e.timeout_seconds, e.sealed_headers,
			e.signature_scheme, e.sealed_key, s.id AS secret_id, s.sealed AS sealed_secret
		FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.id AND e.deleted_at IS NULL
		JOIN webhook_secret s ON s.org_id = e.org_id AND s.endpoint_id = e.id
			AND (s.expires_at IS NULL OR s.expires_at > portico_now())
		ORDER BY s.id DESC`, orgs, endpoints).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			row, err := pgx.RowToStructByName[targetRow](rows)
			if err != nil {
				return err
			}
			k := endpointKey{row.OrgID, row.ID}
			if into[k] == nil {
				if into[k], err = row.target(box); err != nil {
					return err
				}
			}
			plain, err := box.Open(row.SealedSecret, secretContext(row.OrgID, row.SecretID))
			if err != nil {
				return fmt.Errorf("webhook_secret %s: %w", row.SecretID, err)
			}
			into[k].Secrets = append(into[k].Secrets, string(plain))
		}
		return rows.Err()
	})
}

func queuePayloads(batch *pgx.Batch, claims []Claim, into map[eventKey][]byte) {
	var orgs []id.Org
	var events []id.Event
	for _, c := range claims {
		if k := (eventKey{c.Org, c.EventID}); into[k] == nil {
			into[k] = []byte{}
			orgs, events = append(orgs, c.Org), append(events, c.EventID)
		}
	}
	batch.Queue(`
		SELECT e.org_id, e.id, e.payload
		FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)
		JOIN event e ON e.org_id = k.org_id AND e.id = k.id`, orgs, events).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k eventKey
			var payload []byte
			if err := rows.Scan(&k.org, &k.event, &payload); err != nil {
				return err
			}
			into[k] = payload
		}
		return rows.Err()
	})
}
