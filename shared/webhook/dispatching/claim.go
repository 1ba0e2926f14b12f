package dispatching

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
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
	// Of a delivery that was redelivered; nil: it was not.
	TriesBefore   *int16 // how many of Attempts were made before
	RedeliveredAt *time.Time
	ExpiresAt     *time.Time // from when on no try is made; nil: never
	Due           time.Time
	Lease         uuid.UUID
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

// isDropped reports whether its deliveries were dropped when the endpoint was enabled.
func (c *Claim) isDropped() bool {
	return c.EventID.Before(c.Endpoint.DroppedBefore) && (c.RedeliveredAt == nil || c.RedeliveredAt.Before(c.Endpoint.DroppedBefore.Time()))
}

// expiresBy reports whether no try may be made at a time.
func (c *Claim) expiresBy(at time.Time) bool { return c.ExpiresAt != nil && !at.Before(*c.ExpiresAt) }

// tries returns how many tries of the schedule were made.
func (c *Claim) tries() int {
	if c.TriesBefore == nil {
		return int(c.Attempts)
	}
	return int(c.Attempts - *c.TriesBefore)
}

func (c Claim) lane() webhook.Lane { return webhook.Lane{OrgID: c.Org, EndpointID: c.EndpointID} }

// Leased describes the claim for the engine.
func (c Claim) Leased() claim.Leased[webhook.Lane] {
	return claim.Leased[webhook.Lane]{Lane: c.lane(), Due: c.Due, Retried: c.Attempts > 0, Restricted: c.restricted}
}

// Target is what is needed to deliver to an endpoint; nil in a Claim whose endpoint
// is gone.
type Target struct {
	sending.Target
	Schedule webhook.Schedule
	// Pauses: an ordering key is paused when its head has failed permanently.
	Pauses bool
	// DroppedBefore: deliveries of older events fail without a try.
	DroppedBefore id.Event
}

// claimDue leases due deliveries of the endpoints in turns until now + lease, the
// oldest of each endpoint first. It skips a row that another dispatcher is
// claiming at the same moment. Nothing is leased for an organization that is
// moving to another database, or that has moved away and left rows behind. With an
// error it returns what it has leased before the error.
func claimDue(ctx context.Context, db *pg.Worker, turns []claim.Turn[webhook.Lane], lease time.Duration) ([]Claim, error) {
	token := uuid.New()
	sql := claimOneSQL
	if len(turns) > 1 {
		sql = claimManySQL
	}
	claims, err := claimBy(ctx, db, sql, turns, token, lease)
	if err != nil {
		return nil, err
	}
	room := map[webhook.Lane]int{}
	for _, t := range turns {
		room[t.Lane] = t.Room
	}
	var restricted []claim.Turn[webhook.Lane]
	claims = slices.DeleteFunc(claims, func(c Claim) bool {
		if c.restricted {
			restricted = append(restricted, claim.Turn[webhook.Lane]{Lane: c.lane(), Room: room[c.lane()]})
		}
		return c.restricted
	})
	if len(restricted) > 0 {
		var more []Claim
		more, err = claimBy(ctx, db, claimRestrictedSQL, restricted, token, lease)
		claims = append(claims, more...)
	}
	shareEvents(claims)
	return claims, err
}

func claimBy(ctx context.Context, db *pg.Worker, sql string, turns []claim.Turn[webhook.Lane], token uuid.UUID, lease time.Duration) ([]Claim, error) {
	keys, rooms := make([]webhook.Lane, len(turns)), make([]int32, len(turns))
	for i, t := range turns {
		keys[i], rooms[i] = t.Lane, int32(t.Room)
	}
	orgs, endpoints := splitKeys(keys)
	claims, err := pg.List[Claim](ctx, db, "webhook.claimDue", sql, orgs, endpoints, rooms, [16]byte(token), lease)
	for i := range claims {
		claims[i].Lease = token
	}
	return claims, err
}

// shareEvents gives each claim the event that was read for one of them.
func shareEvents(claims []Claim) {
	events := map[eventKey]*Claim{}
	for i := range claims {
		if c := &claims[i]; c.Payload != nil {
			events[eventKey{c.Org, c.EventID}] = c
		}
	}
	for i := range claims {
		c := &claims[i]
		if of := events[eventKey{c.Org, c.EventID}]; of != nil {
			c.Type, c.Payload = of.Type, of.Payload
		}
	}
}

type eventKey struct {
	org   id.Org
	event id.Event
}

// ScanRow reads what the claims' statements return.
func (c *Claim) ScanRow(row pgx.Rows) error {
	return row.Scan(&c.Org, &c.ID, &c.EventID, &c.EndpointID, &c.Attempts, &c.TriesBefore, &c.RedeliveredAt, &c.ExpiresAt, &c.OrderingKey, &c.Due,
		&c.Probe, &c.Troubled, &c.restricted, &c.revision, &c.Type, &c.Payload)
}

// The statements of a claim. An endpoint without a rate limit whose breaker is
// closed is only read: nothing is locked but the deliveries. Of each other endpoint
// the statement returns one row, which is no claim but a marker, and
// claimRestrictedSQL claims from it. Leasing changes no indexed column, so it writes no index entry, and a
// claim passes over the deliveries that are being sent. The commit does not wait
// for the disk: if a crash of Postgres undoes a lease, the delivery is sent twice,
// which at-least-once allows, and is never lost. The payload of an event is in the
// row of one of its deliveries only.
//
// The rows are found again by a condition that no merge join can use, so that a plan
// made for an empty table does not read the whole of a full one (ADR 21).
//
// The arrays are read by position, because unnest of n arrays is n function scans.
const (
	claimOneSQL = plainSQL + `
		SELECT *, true AS is_first FROM claimed` + claimedSQL + markerSQL
	claimManySQL = plainSQL + `
		SELECT *, row_number() OVER (PARTITION BY org_id, event_id) = 1 AS is_first FROM claimed` + claimedSQL + markerSQL

	plainSQL = `
	WITH turn AS MATERIALIZED (
		SELECT unsynced.now, e.org_id, e.id AS endpoint_id, ($3::integer[])[i] AS room, e.revision, l.failures > 0 OR l.told AS troubled,
			e.deleted_at IS NULL AND (e.rate_limit IS NOT NULL OR l.open_until IS NOT NULL) AS restricted
		FROM (SELECT set_config('synchronous_commit', 'off', true), portico_now() AS now) AS unsynced
		CROSS JOIN generate_series(1, array_length($1::uuid[], 1)) AS i
		JOIN webhook_endpoint e ON e.org_id = ($1::uuid[])[i] AND e.id = ($2::uuid[])[i] AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
		JOIN webhook_lane l ON l.org_id = e.org_id AND l.endpoint_id = e.id
		WHERE NOT EXISTS (SELECT FROM placement p WHERE p.org_id = ($1::uuid[])[i] AND p.until > unsynced.now)
	), due AS MATERIALIZED (
		SELECT t.now, d.*, t.revision, t.troubled FROM turn t
		CROSS JOIN LATERAL (
			SELECT w.org_id, w.event_id, w.endpoint_id, greatest(w.next_retry_at, w.leased_until) AS due
			FROM webhook_delivery w
			WHERE w.org_id = t.org_id AND w.endpoint_id = t.endpoint_id
				AND w.status = 'pending' AND w.next_retry_at <= t.now AND (w.leased_until IS NULL OR w.leased_until <= t.now)
			ORDER BY w.next_retry_at
			LIMIT t.room
			FOR UPDATE SKIP LOCKED
		) d
		WHERE NOT t.restricted
	), claimed AS (
		UPDATE webhook_delivery d SET lease = $4, leased_until = due.now + $5
		FROM due
		WHERE d.org_id = ANY (ARRAY[due.org_id]) AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
		RETURNING d.org_id, d.id, d.event_id, d.endpoint_id, d.attempts, d.tries_before, d.redelivered_at, d.expires_at, d.ordering_key, due.due, false AS probe, due.troubled, false AS restricted, due.revision
	)
	SELECT c.org_id, c.id, c.event_id, c.endpoint_id, c.attempts, c.tries_before, c.redelivered_at, c.expires_at, c.ordering_key, c.due, c.probe, c.troubled, c.restricted, c.revision, coalesce(e.type, ''), e.payload
	FROM (`
	claimedSQL = `) c
	LEFT JOIN LATERAL (SELECT type, payload FROM event WHERE org_id = c.org_id AND id = c.event_id AND c.is_first AND expunged_at IS NULL LIMIT 1) e ON true`
	markerSQL = `
	UNION ALL
	SELECT org_id, endpoint_id, endpoint_id, endpoint_id, 0::smallint, NULL, NULL, NULL, NULL, now, false, false, true, 0, '', NULL FROM turn WHERE restricted`
)

// splitKeys returns the columns org_id and endpoint_id, for unnest.
func splitKeys(keys []webhook.Lane) (orgs []id.Org, endpoints []id.WebhookEndpoint) {
	orgs, endpoints = make([]id.Org, len(keys)), make([]id.WebhookEndpoint, len(keys))
	for i, k := range keys {
		orgs[i], endpoints[i] = k.OrgID, k.EndpointID
	}
	return orgs, endpoints
}
