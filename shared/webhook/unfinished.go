package webhook

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Unfinished is an endpoint with unfinished deliveries, and the reason why they
// wait.
type Unfinished struct {
	Org      id.Org             `json:"organization"`
	Endpoint id.WebhookEndpoint `json:"endpoint"`
	Waits    string             `json:"waits"`
}

// ListUnfinished returns up to limit endpoints with unfinished deliveries of
// events that were published at since or later, and before till.
func ListUnfinished(ctx context.Context, db *pg.Worker, since, till time.Time, limit int) ([]Unfinished, error) {
	return pg.List[Unfinished](ctx, db, "webhook.ListUnfinished", `
		WITH RECURSIVE pending AS (
			(SELECT org_id, endpoint_id FROM webhook_delivery
			WHERE status = 'pending' AND event_id >= uuid_floor($1) AND event_id < uuid_floor($2)
			ORDER BY org_id, endpoint_id LIMIT 1)
			UNION ALL
			SELECT n.org_id, n.endpoint_id FROM pending p CROSS JOIN LATERAL (
				SELECT d.org_id, d.endpoint_id FROM webhook_delivery d
				WHERE d.status = 'pending' AND d.event_id >= uuid_floor($1) AND d.event_id < uuid_floor($2)
					AND (d.org_id, d.endpoint_id) > (p.org_id, p.endpoint_id)
				ORDER BY d.org_id, d.endpoint_id LIMIT 1
			) n
		)
		SELECT p.org_id AS org, p.endpoint_id AS endpoint, CASE
			WHEN EXISTS (SELECT FROM placement m WHERE m.org_id = p.org_id AND m.state = 'left') THEN 'moved to another database, not erased here'
			WHEN e.deleted_at IS NOT NULL THEN 'endpoint deleted'
			WHEN e.status = 'disabled' THEN 'endpoint disabled'
			WHEN EXISTS (SELECT FROM webhook_paused_key k WHERE k.org_id = p.org_id AND k.endpoint_id = p.endpoint_id) THEN 'ordering key paused'
			ELSE 'retries' END AS waits
		FROM pending p LEFT JOIN webhook_endpoint e ON e.org_id = p.org_id AND e.id = p.endpoint_id
		LIMIT $3`, since, till, limit)
}
