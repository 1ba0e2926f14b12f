package webhook

import (
	"context"
	"errors"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Dead are the deliveries of an endpoint that have failed for good since members last
// got a mail about that.
type Dead struct {
	URL       string
	Count     int // 0: none, or the endpoint is deleted
	Since     time.Time
	LastError string
	Wait      time.Duration // until they may be told; 0: now
}

var errNoDead = errors.New("no delivery has failed for good")

// TakeDead returns them and, if members may be told now, begins to count anew in the
// transaction.
func TakeDead(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) (Dead, error) {
	d, err := pg.One[Dead](ctx, tx, "webhook.TakeDead", errNoDead, `
		SELECT e.url, l.dead AS count, coalesce(l.dead_since, portico_now()) AS since, coalesce(l.last_error, '') AS last_error,
			greatest(coalesce(l.dead_told_at + interval '1 day' - portico_now(), '0'), '0') AS wait
		FROM webhook_lane l JOIN webhook_endpoint e ON e.org_id = l.org_id AND e.id = l.endpoint_id
		WHERE l.org_id = $1 AND l.endpoint_id = $2 AND e.deleted_at IS NULL AND l.dead > 0 FOR UPDATE OF l`, org, endpoint)
	if errors.Is(err, errNoDead) {
		return Dead{}, nil
	}
	if err != nil || d.Wait > 0 {
		return d, err
	}
	return d, pg.Exec(ctx, tx, "webhook.TakeDead", `
		UPDATE webhook_lane SET dead = 0, dead_since = NULL, dead_told_at = portico_now() WHERE org_id = $1 AND endpoint_id = $2`, org, endpoint)
}
