package webhook

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// EndpointHealth says how deliveries to an endpoint succeed or fail.
type EndpointHealth struct {
	EndpointID   id.WebhookEndpoint
	Failures     int32      // failed tries since the last success
	FailingSince *time.Time // the first of them
	OpenUntil    *time.Time // of the breaker; nil: closed
	// Breaker is BreakerClosed, BreakerOpen or BreakerProbing.
	Breaker string
	// Backlog counts unfinished deliveries, up to MaxBacklog.
	Backlog int
	// Lag is for how many seconds the oldest of them waits whose time has come.
	Lag float64
	// Of the last failed try, also after a success; nil: no try has failed.
	LastFailedAt   *time.Time
	LastError      *string
	LastStatusCode *int16 // nil: no response
}

// The states of a breaker.
const (
	BreakerClosed  = "closed"  // deliveries are sent
	BreakerOpen    = "open"    // nothing is sent until OpenUntil
	BreakerProbing = "probing" // one delivery at a time is tried
)

// MaxBacklog is where counting an endpoint's backlog stops: it bounds the cost of
// a list of endpoints.
const MaxBacklog = 1000

// Healths returns the health of each of these endpoints.
func Healths(ctx context.Context, tx pg.Tx, org id.Org, endpoints []Endpoint) (map[id.WebhookEndpoint]EndpointHealth, error) {
	ids := make([]id.WebhookEndpoint, len(endpoints))
	for i, e := range endpoints {
		ids[i] = e.ID
	}
	list, err := pg.List[EndpointHealth](ctx, tx, "webhook.Healths", `
		SELECT l.endpoint_id, l.failures, l.failing_since, l.open_until, l.last_failed_at, l.last_error, l.last_status_code,
			CASE WHEN l.open_until IS NULL THEN 'closed' WHEN l.open_until > portico_now() THEN 'open' ELSE 'probing' END AS breaker,
			waiting.backlog, CASE WHEN waiting.oldest <= portico_now() THEN extract(epoch FROM portico_now() - waiting.oldest)::double precision ELSE 0 END AS lag
		FROM webhook_lane l JOIN webhook_endpoint e ON e.org_id = l.org_id AND e.id = l.endpoint_id
		CROSS JOIN LATERAL (
			SELECT count(*) AS backlog, min(next_retry_at) AS oldest FROM (
				SELECT greatest(d.event_id, uuid_floor(d.redelivered_at)) AS since, d.next_retry_at FROM webhook_delivery d
				WHERE d.org_id = l.org_id AND d.endpoint_id = l.endpoint_id AND d.status = 'pending'
				ORDER BY d.next_retry_at LIMIT $3) AS counted
			WHERE e.dropped_before IS NULL OR counted.since >= e.dropped_before
		) AS waiting
		WHERE l.org_id = $1 AND l.endpoint_id = ANY ($2::uuid[])`, org, ids, MaxBacklog)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.WebhookEndpoint]EndpointHealth, len(list))
	for _, h := range list {
		byID[h.EndpointID] = h
	}
	return byID, nil
}

// resetLane clears the failures of an endpoint when it is enabled.
func resetLane(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) error {
	return pg.Exec(ctx, tx, "webhook.resetLane", `
		UPDATE webhook_lane SET failures = 0, failing_since = NULL, open_until = NULL, openings = 0, told = false
		WHERE org_id = $1 AND endpoint_id = $2`, org, endpoint)
}
