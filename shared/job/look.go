package job

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
)

// promoteAtMost bounds how many scheduled jobs one statement moves to their lanes.
const promoteAtMost = 1000

// laneSQL moves the scheduled jobs of a queue that are due to their lanes, and then
// selects the lanes of the kinds that the caller knows, with the time at which the
// next job of each may be claimed: not before its throttle has a slot, its
// organization has moved, or, if as many run as may, the first of these leases
// ends. It steps through the index from one lane to the next, so its cost grows
// with the number of lanes, not with their backlogs. A job whose key runs does not
// count, because the end of that run makes it due. later has the next scheduled job
// and the next time of a schedule.
const laneSQL = `
	WITH RECURSIVE promoted AS (
		UPDATE job j SET status = 'pending'
		FROM (SELECT org_id, id FROM job WHERE queue = $1 AND status = 'scheduled' AND due_at <= portico_now()
			ORDER BY due_at LIMIT $6 FOR UPDATE SKIP LOCKED) d
		WHERE j.org_id = ANY (ARRAY[d.org_id]) AND j.id = d.id
		RETURNING j.org_id, j.kind, j.due_at
	), known AS MATERIALIZED (
		SELECT t.kind, t.throttle, coalesce(k.per_org, nullif(t.per_org, 0)) AS per_org, coalesce(k.in_all, nullif(t.in_all, 0)) AS in_all
		FROM unnest($2::text[], $3::text[], $4::integer[], $5::integer[]) AS t (kind, throttle, per_org, in_all)
		LEFT JOIN job_kind k ON k.kind = t.kind
		WHERE k.paused_at IS NULL
	), pending AS (
		(SELECT org_id, kind FROM job WHERE queue = $1 AND status = 'pending' ORDER BY org_id, kind LIMIT 1)
		UNION ALL
		SELECT n.org_id, n.kind FROM pending p CROSS JOIN LATERAL (
			SELECT j.org_id, j.kind FROM job j
			WHERE j.queue = $1 AND j.status = 'pending' AND (j.org_id, j.kind) > (p.org_id, p.kind)
			ORDER BY j.org_id, j.kind LIMIT 1
		) n
	), lane AS (
		SELECT p.org_id, p.kind, greatest(d.due_at, m.until, h.blocked_until,
			h.next_slot - (h.burst - 1) * interval '1 second' / h.per_second,
			CASE WHEN $1 = 'bulk' THEN h.bulk_slot - (greatest(h.burst * 0.8, 1) - 1) * interval '1 second' / (h.per_second * 0.8) END,
			CASE WHEN k.per_org IS NOT NULL THEN (SELECT CASE WHEN count(*) >= k.per_org THEN min(r.due_at) END FROM job r
				WHERE r.kind = p.kind AND r.org_id = p.org_id AND r.lease IS NOT NULL AND r.counted AND r.due_at > portico_now()) END,
			CASE WHEN k.in_all IS NOT NULL THEN (SELECT CASE WHEN count(*) >= k.in_all THEN min(r.due_at) END FROM job r
				WHERE r.kind = p.kind AND r.lease IS NOT NULL AND r.counted AND r.due_at > portico_now()) END) AS at
		FROM pending p JOIN known k ON k.kind = p.kind
		CROSS JOIN LATERAL (
			SELECT j.due_at FROM job j
			WHERE j.queue = $1 AND j.org_id = p.org_id AND j.kind = p.kind AND j.status = 'pending'
				AND (j.unique_key IS NULL OR j.lease IS NOT NULL OR NOT EXISTS (SELECT FROM job r
					WHERE r.org_id = j.org_id AND r.kind = j.kind AND r.unique_key = j.unique_key AND r.lease IS NOT NULL))
			ORDER BY j.due_at LIMIT 1
		) d
		LEFT JOIN job_throttle h ON h.name = k.throttle
		LEFT JOIN placement m ON m.org_id = p.org_id AND m.until > portico_now()
		WHERE NOT EXISTS (SELECT FROM organization o WHERE o.id = p.org_id AND o.deleted_at IS NOT NULL)
		UNION ALL
		SELECT p.org_id, p.kind, p.due_at FROM promoted p JOIN known k ON k.kind = p.kind
	), later AS (
		SELECT min(due_at) AS at FROM job WHERE queue = $1 AND status = 'scheduled' AND due_at > portico_now()
		UNION ALL
		SELECT min(s.next_at) FROM job_schedule s WHERE s.queue = $1 AND s.next_at > portico_now()
	) `

// findDue returns the lanes that have had a due job for at least since, and how
// long it takes until the next job becomes due; 0: none will.
func findDue(ctx context.Context, db *pg.Worker, queue Queue, l limits, since time.Duration) (lanes []Lane, soonest time.Duration, err error) {
	rows, err := pg.List[dueLane](ctx, db, "job.findDue", laneSQL+`
		SELECT DISTINCT org_id, kind, NULL::interval FROM lane WHERE at <= (SELECT portico_now()) - $7::interval
		UNION ALL
		SELECT NULL, NULL, min(at) - portico_now() FROM (SELECT at FROM lane UNION ALL SELECT at FROM later) n
		WHERE at > (SELECT portico_now()) AND at < 'infinity'`,
		queue, l.kinds, l.throttles, l.perOrg, l.inAll, promoteAtMost, since)
	for _, row := range rows {
		if row.kind != nil {
			lanes = append(lanes, Lane{row.org, *row.kind})
		} else if row.in != nil {
			soonest = *row.in
		}
	}
	return lanes, soonest, err
}

// dueLane is a row of findDue.
type dueLane struct {
	org  id.Org
	kind *string // nil: in is about the next one of all
	in   *time.Duration
}

// ScanRow reads what findDue selects.
func (d *dueLane) ScanRow(row pgx.Rows) error { return row.Scan(&d.org, &d.kind, &d.in) }

// nextDue says when the earliest job of a queue may be claimed.
func nextDue(ctx context.Context, db *pg.Worker, queue Queue, l limits) (claim.Next, error) {
	var at *time.Time
	var now time.Time
	err := db.QueryRow(ctx, laneSQL+`
		SELECT min(at), portico_now() FROM (SELECT at FROM lane UNION ALL SELECT at FROM later) n WHERE at < 'infinity'`,
		queue, l.kinds, l.throttles, l.perOrg, l.inAll, promoteAtMost).Scan(&at, &now)
	switch {
	case err != nil:
		return claim.Next{}, fmt.Errorf("job.nextDue: %w", err)
	case at == nil:
		return claim.Next{}, nil
	}
	return claim.Next{At: *at, Due: !at.After(now), Age: now.Sub(*at)}, nil
}
