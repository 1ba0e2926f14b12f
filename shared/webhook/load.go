package webhook

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// compare orders keys as Postgres does.
func (k endpointKey) compare(other endpointKey) int {
	return cmp.Or(bytes.Compare(k.org.UUID[:], other.org.UUID[:]), bytes.Compare(k.endpoint.UUID[:], other.endpoint.UUID[:]))
}

// ScanRow reads org_id and endpoint_id.
func (k *endpointKey) ScanRow(row pgx.Rows) error { return row.Scan(&k.org, &k.endpoint) }

type eventKey struct {
	org   id.Org
	event id.Event
}

// load adds payloads and targets to claims in one round trip. It reads each only
// once, even if several deliveries share it.
func load(ctx context.Context, db *pg.Worker, box *secret.Box, claims []Claim) error {
	var rows []targetRow
	contents := map[eventKey]content{}
	var batch pgx.Batch
	queueTargets(&batch, claims, &rows)
	queueContents(&batch, claims, contents)
	if err := db.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("webhook.load: %w", err)
	}
	targets, unopened := openTargets(box, rows)
	for i := range claims {
		c := &claims[i]
		k := endpointKey{c.Org, c.EndpointID}
		c.Endpoint, c.Unopened = targets[k], unopened[k]
		of := contents[eventKey{c.Org, c.EventID}]
		c.Type, c.Payload = of.eventType, of.payload
	}
	return nil
}

func queueTargets(batch *pgx.Batch, claims []Claim, into *[]targetRow) {
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
			e.signature_scheme, e.sealed_key,
			CASE WHEN e.old_key_expires_at > portico_now() THEN e.old_sealed_key END AS old_sealed_key,
			e.client_certificate, e.sealed_client_key, e.dropped_before, e.exhaustion_policy, l.failures > 0 OR l.told AS troubled, s.id AS secret_id, s.sealed AS sealed_secret
		FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.id AND e.deleted_at IS NULL
		JOIN webhook_lane l ON l.org_id = e.org_id AND l.endpoint_id = e.id
		JOIN webhook_secret s ON s.org_id = e.org_id AND s.endpoint_id = e.id
			AND (s.expires_at IS NULL OR s.expires_at > portico_now())
		ORDER BY s.id DESC`, orgs, endpoints).Query(pg.Into(into))
}

// content is what all deliveries of one event share.
type content struct {
	eventType string
	payload   []byte
}

func queueContents(batch *pgx.Batch, claims []Claim, into map[eventKey]content) {
	var orgs []id.Org
	var events []id.Event
	for _, c := range claims {
		k := eventKey{c.Org, c.EventID}
		if _, seen := into[k]; !seen {
			into[k] = content{}
			orgs, events = append(orgs, c.Org), append(events, c.EventID)
		}
	}
	batch.Queue(`
		SELECT e.org_id, e.id, e.type, e.payload
		FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)
		JOIN event e ON e.org_id = k.org_id AND e.id = k.id`, orgs, events).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k eventKey
			var of content
			if err := rows.Scan(&k.org, &k.event, &of.eventType, &of.payload); err != nil {
				return err
			}
			into[k] = of
		}
		return rows.Err()
	})
}
