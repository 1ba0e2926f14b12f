package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/sending"
)

// Claim is a delivery leased to one dispatcher: no other dispatcher sends it
// until the lease ends, and a result is written only under the current lease.
type Claim struct {
	Org        id.Org
	ID         id.Delivery
	EventID    id.Event
	EndpointID id.WebhookEndpoint
	Attempts   int16 // tries made before this one
	Due        time.Time
	Lease      uuid.UUID
	// OrderingKey is nil unless the endpoint was ordered when the event was
	// published.
	OrderingKey *string
	// Probe marks the single delivery that tests an endpoint whose breaker is
	// open.
	Probe bool
	// Troubled: tries of the endpoint have failed since the last success, or the
	// owner was told of failures.
	Troubled bool

	Type     string // of the event
	Payload  []byte // shared by all deliveries of an event: never written to
	Endpoint *Target
	revision int64 // of the endpoint
	// restricted: the endpoint has a rate limit, or its breaker is open.
	restricted bool
	// Unopened is the error if a sealed value of the endpoint could not be
	// opened. Endpoint then has DroppedBefore only. Nil: everything was opened.
	Unopened error
	unloaded bool // Postgres did not answer when the endpoint was to be loaded
}

// Leased describes the claim for the engine.
func (c Claim) Leased() claim.Leased[endpointKey] {
	return claim.Leased[endpointKey]{Lane: endpointKey{c.Org, c.EndpointID}, Due: c.Due, Retried: c.Attempts > 0, Restricted: c.restricted}
}

// Target is what is needed to deliver to an endpoint; nil in a Claim whose endpoint
// is gone.
type Target struct {
	sending.Target
	Schedule Schedule
	// Pauses: an ordering key is paused when its head has failed permanently.
	Pauses bool
	// DroppedBefore: deliveries of older events fail without a try.
	DroppedBefore id.Event
}

// claimDue leases due deliveries of the endpoints in turns until now + lease, the
// oldest of each endpoint first. It skips a row that another dispatcher is
// claiming at the same moment. Rate limits and breakers are part of the claim: a
// delivery that they forbid is never leased. Nothing is leased for an
// organization that is moving to another database, or that has moved away and
// left rows behind.
func claimDue(ctx context.Context, db *pg.Worker, turns []claim.Turn[endpointKey], lease time.Duration) ([]Claim, error) {
	token := uuid.New()
	keys, rooms := make([]endpointKey, len(turns)), make([]int32, len(turns))
	for i, t := range turns {
		keys[i], rooms[i] = t.Lane, int32(t.Room)
	}
	orgs, endpoints := splitKeys(keys)
	claims, err := pg.List[Claim](ctx, db, "webhook.claimDue", claimSQL, orgs, endpoints, rooms, [16]byte(token), lease)
	events := map[eventKey]*Claim{}
	for i := range claims {
		if c := &claims[i]; c.Payload != nil {
			events[eventKey{c.Org, c.EventID}] = c
		}
	}
	for i := range claims {
		c := &claims[i]
		c.Lease = token
		if of := events[eventKey{c.Org, c.EventID}]; of != nil {
			c.Type, c.Payload = of.Type, of.Payload
		}
	}
	return claims, err
}

type eventKey struct {
	org   id.Org
	event id.Event
}

// ScanRow reads what claimSQL returns.
func (c *Claim) ScanRow(row pgx.Rows) error {
	return row.Scan(&c.Org, &c.ID, &c.EventID, &c.EndpointID, &c.Attempts, &c.OrderingKey, &c.Due,
		&c.Probe, &c.Troubled, &c.restricted, &c.revision, &c.Type, &c.Payload)
}

// claimSQL works in steps: turn computes how many deliveries each endpoint may
// get now, due selects them, spent updates the lane with the rate and the breaker
// that they used. Only the lanes of endpoints with a rate limit or an open
// breaker are locked and written, so that two dispatchers together keep the limit
// and send one probe. A lane that another dispatcher has locked is skipped. The
// commit does not wait for the disk: if a crash of Postgres undoes a lease, the
// delivery is sent twice, which at-least-once allows, and is never lost. The rate
// limit is the generic cell rate algorithm with a tolerance of 0.1 s or one
// delivery, whichever is more: no second has more deliveries than the limit plus
// that tolerance. Dropped deliveries are never sent, so they do not count against
// the rate limit and cannot be a probe. While the oldest due delivery of an
// endpoint is a dropped one, its turn takes dropped deliveries only. The payload
// of an event is in the row of one of its deliveries only.
const claimSQL = `
	WITH wanted AS MATERIALIZED (
		SELECT t.*, unsynced.now, e.revision, l.failures > 0 OR l.told AS troubled, e.rate_limit, e.dropped_before, e.deleted_at IS NULL AND (e.rate_limit IS NOT NULL OR l.open_until IS NOT NULL) AS restricted
		FROM (SELECT set_config('synchronous_commit', 'off', true), portico_now() AS now) AS unsynced
		CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::integer[]) AS t (org_id, endpoint_id, room)
		JOIN webhook_endpoint e ON e.org_id = t.org_id AND e.id = t.endpoint_id AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
		JOIN webhook_lane l ON l.org_id = t.org_id AND l.endpoint_id = t.endpoint_id
		WHERE NOT EXISTS (SELECT FROM placement p WHERE p.org_id = t.org_id AND p.until > unsynced.now)
	), gate AS MATERIALIZED (
		SELECT w.now, w.org_id, w.endpoint_id, w.room, w.revision, w.troubled, w.rate_limit, w.dropped_before, l.open_until IS NOT NULL AS probe,
			greatest(l.next_slot, w.now) AS slot,
			CASE WHEN w.dropped_before IS NOT NULL THEN (
				SELECT d.event_id FROM webhook_delivery d
				WHERE d.org_id = w.org_id AND d.endpoint_id = w.endpoint_id
					AND d.status = 'pending' AND d.next_retry_at <= w.now
				ORDER BY d.next_retry_at LIMIT 1) < w.dropped_before
			ELSE false END AS dropping
		FROM wanted w JOIN webhook_lane l ON l.org_id = w.org_id AND l.endpoint_id = w.endpoint_id
		WHERE w.restricted AND (l.open_until IS NULL OR l.open_until <= w.now)
		FOR UPDATE OF l SKIP LOCKED
	), turn AS (
		SELECT now, org_id, endpoint_id, room, revision, troubled, restricted, false AS probe, NULL::uuid AS dropped_before, false AS dropping FROM wanted WHERE NOT restricted
		UNION ALL
		SELECT now, org_id, endpoint_id, CASE WHEN dropping THEN room ELSE
				least(CASE WHEN probe THEN 1 ELSE room END, -- without a rate limit floor(…) is NULL, which least ignores
					floor(extract(epoch FROM now - slot) * rate_limit + greatest(0.1 * rate_limit, 1) + 0.001)::integer)
			END, revision, troubled, true, probe AND NOT dropping, dropped_before, dropping
		FROM gate
	), due AS MATERIALIZED (
		SELECT t.now, d.*, t.probe, t.revision, t.troubled, t.restricted FROM turn t
		CROSS JOIN LATERAL (
			SELECT w.org_id, w.event_id, w.endpoint_id, w.next_retry_at, w.event_id < t.dropped_before IS TRUE AS dropped
			FROM webhook_delivery w
			WHERE w.org_id = t.org_id AND w.endpoint_id = t.endpoint_id
				AND w.status = 'pending' AND w.next_retry_at <= t.now
			ORDER BY w.next_retry_at
			LIMIT greatest(t.room, 0)
			FOR UPDATE SKIP LOCKED
		) d
		WHERE d.dropped OR NOT t.dropping
	), spent AS (
		UPDATE webhook_lane l SET
			next_slot = g.slot + n.claimed * interval '1 second' / g.rate_limit,
			open_until = CASE WHEN g.probe THEN g.now + $5 END
		FROM gate g JOIN (SELECT org_id, endpoint_id, count(*) AS claimed FROM due WHERE NOT dropped GROUP BY org_id, endpoint_id) n
			ON n.org_id = g.org_id AND n.endpoint_id = g.endpoint_id
		WHERE l.org_id = g.org_id AND l.endpoint_id = g.endpoint_id
	), claimed AS (
		UPDATE webhook_delivery d SET lease = $4, next_retry_at = due.now + $5
		FROM due
		WHERE d.org_id = due.org_id AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
		RETURNING d.org_id, d.id, d.event_id, d.endpoint_id, d.attempts, d.ordering_key, due.next_retry_at AS due, due.probe, due.troubled, due.restricted, due.revision
	)
	SELECT c.org_id, c.id, c.event_id, c.endpoint_id, c.attempts, c.ordering_key, c.due, c.probe, c.troubled, c.restricted, c.revision, coalesce(e.type, ''), e.payload
	FROM (SELECT *, row_number() OVER (PARTITION BY org_id, event_id) = 1 AS is_first FROM claimed) c
	LEFT JOIN LATERAL (SELECT type, payload FROM event WHERE org_id = c.org_id AND id = c.event_id AND c.is_first LIMIT 1) e ON true`

// laneSQL selects the endpoints that have pending deliveries, and when the next
// delivery of each may be claimed. For an organization that is moving that is
// when the move's time limit ends. The query steps through the index from one
// endpoint to the next, so its cost grows with the number of endpoints, not with
// their backlogs.
const laneSQL = `
	WITH RECURSIVE pending AS (
		(SELECT org_id, endpoint_id FROM webhook_delivery WHERE status = 'pending'
		ORDER BY org_id, endpoint_id LIMIT 1)
		UNION ALL
		SELECT n.org_id, n.endpoint_id FROM pending p CROSS JOIN LATERAL (
			SELECT d.org_id, d.endpoint_id FROM webhook_delivery d
			WHERE d.status = 'pending' AND (d.org_id, d.endpoint_id) > (p.org_id, p.endpoint_id)
			ORDER BY d.org_id, d.endpoint_id LIMIT 1
		) n
	), lane AS (
		SELECT p.org_id, p.endpoint_id, greatest(d.next_retry_at, l.open_until, l.next_slot, m.until) AS at
		FROM pending p
		JOIN webhook_lane l ON l.org_id = p.org_id AND l.endpoint_id = p.endpoint_id
		JOIN webhook_endpoint e ON e.org_id = p.org_id AND e.id = p.endpoint_id AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
		CROSS JOIN LATERAL (
			SELECT next_retry_at FROM webhook_delivery d
			WHERE d.org_id = p.org_id AND d.endpoint_id = p.endpoint_id AND d.status = 'pending'
			ORDER BY next_retry_at LIMIT 1
		) d
		LEFT JOIN placement m ON m.org_id = p.org_id AND m.until > portico_now()
	) `

// findDue returns the endpoints that have had a due delivery for at least
// `since`, and how long it takes until the next delivery becomes due; 0: none will.
func findDue(ctx context.Context, db *pg.Worker, since time.Duration) (keys []endpointKey, soonest time.Duration, err error) {
	rows, err := pg.List[dueLane](ctx, db, "webhook.findDue", laneSQL+`
		SELECT org_id, endpoint_id, interval '0' FROM lane WHERE at <= (SELECT portico_now()) - $1::interval
		UNION ALL
		SELECT NULL, NULL, min(at) - portico_now() FROM lane WHERE at > (SELECT portico_now()) AND at < 'infinity'`, since)
	for _, row := range rows {
		if row.key.org != (id.Org{}) {
			keys = append(keys, row.key)
		} else if row.in != nil {
			soonest = *row.in
		}
	}
	return keys, soonest, err
}

// dueLane is a row of findDue.
type dueLane struct {
	key endpointKey // zero: in is about the next one of all
	in  *time.Duration
}

// ScanRow reads what findDue selects.
func (d *dueLane) ScanRow(row pgx.Rows) error {
	var org, endpoint *uuid.UUID
	if err := row.Scan(&org, &endpoint, &d.in); err != nil {
		return err
	}
	if org != nil {
		d.key.org.UUID, d.key.endpoint.UUID = *org, *endpoint
	}
	return nil
}

// nextDue says when the earliest pending delivery may be claimed.
func nextDue(ctx context.Context, db *pg.Worker) (claim.Next, error) {
	var at *time.Time
	var now time.Time
	err := db.QueryRow(ctx, laneSQL+`SELECT min(at), portico_now() FROM lane WHERE at < 'infinity'`).Scan(&at, &now)
	if err != nil {
		return claim.Next{}, fmt.Errorf("webhook.nextDue: %w", err)
	}
	if at == nil {
		return claim.Next{}, nil
	}
	return claim.Next{At: *at, Due: !at.After(now), Age: now.Sub(*at)}, nil
}

// endpointKey names an endpoint, which is a lane.
type endpointKey struct {
	org      id.Org
	endpoint id.WebhookEndpoint
}

// Org is the organization of the endpoint.
func (k endpointKey) Org() id.Org { return k.org }

// splitKeys returns the columns org_id and endpoint_id, for unnest.
func splitKeys(keys []endpointKey) (orgs []id.Org, endpoints []id.WebhookEndpoint) {
	orgs, endpoints = make([]id.Org, len(keys)), make([]id.WebhookEndpoint, len(keys))
	for i, k := range keys {
		orgs[i], endpoints[i] = k.org, k.endpoint
	}
	return orgs, endpoints
}
