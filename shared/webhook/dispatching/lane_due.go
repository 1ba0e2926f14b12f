package dispatching

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// laneSQL selects the endpoints that have pending deliveries, and when the next
// delivery of each may be claimed: when it is due, or when the first lease ends if
// all that is due is being sent. For an organization that is moving that is
// when the move's time limit ends. The query steps through the index from one
// endpoint to the next, so its cost grows with the number of endpoints, not with
// their backlogs.
const laneSQL = `
	WITH RECURSIVE moment AS MATERIALIZED (SELECT portico_now() AS now), pending AS (
		(SELECT org_id, endpoint_id FROM webhook_delivery WHERE status = 'pending'
		ORDER BY org_id, endpoint_id LIMIT 1)
		UNION ALL
		SELECT n.org_id, n.endpoint_id FROM pending p CROSS JOIN LATERAL (
			SELECT d.org_id, d.endpoint_id FROM webhook_delivery d
			WHERE d.status = 'pending' AND (d.org_id, d.endpoint_id) > (p.org_id, p.endpoint_id)
			ORDER BY d.org_id, d.endpoint_id LIMIT 1
		) n
	), lane AS (
		SELECT p.org_id, p.endpoint_id, greatest(d.at, l.open_until, l.next_slot, m.until) AS at
		FROM pending p
		JOIN webhook_lane l ON l.org_id = p.org_id AND l.endpoint_id = p.endpoint_id
		JOIN webhook_endpoint e ON e.org_id = p.org_id AND e.id = p.endpoint_id AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
		LEFT JOIN LATERAL (
			SELECT next_retry_at AS at FROM webhook_delivery d
			WHERE d.org_id = p.org_id AND d.endpoint_id = p.endpoint_id AND d.status = 'pending'
				AND (d.leased_until IS NULL OR d.leased_until <= (SELECT now FROM moment))
			ORDER BY next_retry_at LIMIT 1
		) free ON true
		CROSS JOIN LATERAL (SELECT CASE WHEN free.at <= (SELECT now FROM moment) THEN free.at ELSE least(free.at, (
			SELECT min(d.leased_until) FROM webhook_delivery d
			WHERE d.org_id = p.org_id AND d.endpoint_id = p.endpoint_id AND d.status = 'pending' AND d.next_retry_at <= (SELECT now FROM moment)
		)) END AS at) d
		LEFT JOIN placement m ON m.org_id = p.org_id AND m.until > (SELECT now FROM moment)
	) `

// findDue returns the endpoints that have had a due delivery for at least
// `since`, and how long it takes until the next delivery becomes due; 0: none will.
func findDue(ctx context.Context, db *pg.Worker, since time.Duration) (keys []webhook.Lane, soonest time.Duration, err error) {
	rows, err := pg.List[dueLane](ctx, db, "webhook.findDue", laneSQL+`
		SELECT org_id, endpoint_id, interval '0' FROM lane WHERE at <= (SELECT now FROM moment) - $1::interval
		UNION ALL
		SELECT NULL, NULL, min(at) - (SELECT now FROM moment) FROM lane WHERE at > (SELECT now FROM moment) AND at < 'infinity'`, since)
	for _, row := range rows {
		if row.key.OrgID != (id.Org{}) {
			keys = append(keys, row.key)
		} else if row.in != nil {
			soonest = *row.in
		}
	}
	return keys, soonest, err
}

// dueLane is a row of findDue.
type dueLane struct {
	key webhook.Lane // zero: in is about the next one of all
	in  *time.Duration
}

// ScanRow reads what findDue selects.
func (d *dueLane) ScanRow(row pgx.Rows) error {
	var org, endpoint *uuid.UUID
	if err := row.Scan(&org, &endpoint, &d.in); err != nil {
		return err
	}
	if org != nil {
		d.key.OrgID.UUID, d.key.EndpointID.UUID = *org, *endpoint
	}
	return nil
}

// nextDue says when the earliest pending delivery may be claimed.
func nextDue(ctx context.Context, db *pg.Worker) (claim.Next, error) {
	var at *time.Time
	var now time.Time
	err := db.QueryRow(ctx, laneSQL+`SELECT min(at), (SELECT now FROM moment) FROM lane WHERE at < 'infinity'`).Scan(&at, &now)
	if err != nil {
		return claim.Next{}, fmt.Errorf("webhook.nextDue: %w", err)
	}
	if at == nil {
		return claim.Next{}, nil
	}
	return claim.Next{At: *at, Due: !at.After(now), Age: now.Sub(*at)}, nil
}
