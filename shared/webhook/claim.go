package webhook

import (
	"context"
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
	URL     string
	Secrets []string
}

// claimDue leases up to limit due deliveries until now + lease. A row that
// another dispatcher is claiming at the same moment is skipped, not awaited.
func claimDue(ctx context.Context, db *pg.Worker, limit int, lease time.Duration) ([]Claim, error) {
	token := uuid.New()
	rows, err := db.Query(ctx, `
		WITH due AS MATERIALIZED (
			SELECT org_id, event_id, endpoint_id, next_retry_at
			FROM webhook_delivery
			WHERE status = 'pending' AND next_retry_at <= (SELECT portico_now())
			ORDER BY next_retry_at
			LIMIT $1
			FOR UPDATE SKIP LOCKED
		)
		UPDATE webhook_delivery d SET lease = $2, next_retry_at = portico_now() + $3
		FROM due
		WHERE d.org_id = due.org_id AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
		RETURNING d.org_id, d.event_id, d.endpoint_id, d.attempts, due.next_retry_at`,
		limit, token, lease)
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
		SELECT e.org_id, e.id, e.url, s.id, s.sealed
		FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.id AND e.deleted_at IS NULL
		JOIN webhook_secret s ON s.org_id = e.org_id AND s.endpoint_id = e.id
			AND (s.expires_at IS NULL OR s.expires_at > portico_now())
		ORDER BY s.id DESC`, orgs, endpoints).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k endpointKey
			var url string
			var row id.WebhookSecret
			var sealed []byte
			if err := rows.Scan(&k.org, &k.endpoint, &url, &row, &sealed); err != nil {
				return err
			}
			plain, err := box.Open(sealed, secretContext(k.org, row))
			if err != nil {
				return fmt.Errorf("webhook_secret %s: %w", row, err)
			}
			if into[k] == nil {
				into[k] = &Target{URL: url}
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
