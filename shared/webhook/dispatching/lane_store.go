package dispatching

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

func outcomeColumns(outcomes []outcome) (orgs []id.Org, endpoints []id.WebhookEndpoint) {
	for _, o := range outcomes {
		orgs, endpoints = append(orgs, o.OrgID), append(endpoints, o.EndpointID)
	}
	return orgs, endpoints
}

// lockLanes locks the lanes of endpoints until the transaction ends. It returns
// the outcomes whose endpoint has a lane, their health, and the database's time.
// An organization that is being erased has no lanes.
func lockLanes(ctx context.Context, tx pg.Tx, outcomes []outcome) (kept []outcome, list []health, now time.Time, err error) {
	orgs, endpoints := outcomeColumns(outcomes)
	lanes, err := pg.List[lockedLane](ctx, tx, "webhook.lockLanes", `
		SELECT k.position, l.failures, l.failing_since, l.open_until, l.openings, l.told, portico_now()
		FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (org_id, endpoint_id, position)
		JOIN webhook_lane l ON l.org_id = k.org_id AND l.endpoint_id = k.endpoint_id
		ORDER BY k.position FOR UPDATE OF l`, orgs, endpoints)
	for _, l := range lanes {
		kept, list, now = append(kept, outcomes[l.Place-1]), append(list, l.Health), l.Now
	}
	return kept, list, now, err
}

// lockedLane is a row of lockLanes.
type lockedLane struct {
	Place  int
	Health health
	Now    time.Time
}

// ScanRow reads what lockLanes selects.
func (l *lockedLane) ScanRow(row pgx.Rows) error {
	h := &l.Health
	return row.Scan(&l.Place, &h.Failures, &h.FailingSince, &h.OpenUntil, &h.Openings, &h.Told, &l.Now)
}

// saveLanes writes what lockLanes read, and the last failed try of each endpoint.
func saveLanes(ctx context.Context, tx pg.Tx, outcomes []outcome, after []health) error {
	orgs, endpoints := outcomeColumns(outcomes)
	n := len(after)
	failures, since, until := make([]int32, n), make([]*time.Time, n), make([]*time.Time, n)
	openings, told, dead := make([]int16, n), make([]bool, n), make([]int32, n)
	lastAt, errors, codes := make([]*time.Time, n), make([]*string, n), make([]*int16, n)
	for i, h := range after {
		failures[i], since[i], until[i], openings[i], told[i] = h.Failures, h.FailingSince, h.OpenUntil, h.Openings, h.Told
		lastAt[i], errors[i], codes[i] = nonZero(outcomes[i].lastAt), nonZero(outcomes[i].lastError), nonZero(int16(outcomes[i].lastCode))
		dead[i] = outcomes[i].dead
	}
	return pg.Exec(ctx, tx, "webhook.saveLanes", `
		UPDATE webhook_lane l SET failures = h.failures, failing_since = h.failing_since, open_until = h.open_until,
			openings = h.openings, told = h.told, last_failed_at = coalesce(h.last_at, l.last_failed_at),
			last_error = CASE WHEN h.last_at IS NULL THEN l.last_error ELSE h.error END,
			last_status_code = CASE WHEN h.last_at IS NULL THEN l.last_status_code ELSE h.code END,
			dead = l.dead + h.dead, dead_since = CASE WHEN h.dead > 0 THEN coalesce(l.dead_since, portico_now()) ELSE l.dead_since END
		FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::smallint[], $7::boolean[],
				$8::timestamptz[], $9::text[], $10::smallint[], $11::integer[])
			AS h (org_id, endpoint_id, failures, failing_since, open_until, openings, told, last_at, error, code, dead)
		WHERE l.org_id = h.org_id AND l.endpoint_id = h.endpoint_id`,
		orgs, endpoints, failures, since, until, openings, told, lastAt, errors, codes, dead)
}

// disable disables the endpoints with a verdict that says so, except those that
// are disabled already. It writes an audit entry for each and returns how many.
func (d *Dispatcher) disable(ctx context.Context, tx pg.Tx, outcomes []outcome, verdicts []verdict) (int, error) {
	var orgs []id.Org
	var endpoints []id.WebhookEndpoint
	var reasons []string
	for i, o := range outcomes {
		if reason := verdicts[i].reason(); reason != "" {
			orgs, endpoints, reasons = append(orgs, o.OrgID), append(endpoints, o.EndpointID), append(reasons, reason)
		}
	}
	if len(orgs) == 0 {
		return 0, nil
	}
	list, err := pg.List[disabled](ctx, tx, "webhook.disable", `
		UPDATE webhook_endpoint e
		SET status = 'disabled', disabled_at = portico_now(), disabled_reason = k.reason, updated_at = portico_now()
		FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (org_id, id, reason)
		WHERE e.org_id = k.org_id AND e.id = k.id AND e.status = 'enabled' AND e.deleted_at IS NULL
		RETURNING e.org_id AS org, e.id AS endpoint, k.reason`, orgs, endpoints, reasons)
	if err != nil {
		return 0, err
	}
	for _, one := range list {
		if err := audit.Insert(ctx, tx, one.Org, d.entry(ctx, one)); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// disabled is an endpoint that a dispatcher has disabled.
type disabled struct {
	Org      id.Org
	Endpoint id.WebhookEndpoint
	Reason   string
}

func (d *Dispatcher) entry(ctx context.Context, one disabled) audit.Entry {
	return audit.Entry{
		Action: "webhook_endpoint.disable", Actor: audit.Actor{Type: audit.System, ID: "dispatcher"},
		Targets: []audit.Target{audit.Of("webhook_endpoint", one.Endpoint)},
		Before:  audit.Fields{"status": webhook.Enabled}, After: audit.Fields{"status": webhook.Disabled, "disabled_reason": one.Reason},
		Origin: audit.Origin{RequestID: observe.RequestID(ctx)}, CreatedAt: d.Clock.Now(),
	}
}
