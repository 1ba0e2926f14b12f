package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// ExpiringCertificate is a client certificate that soon ends, or has ended.
type ExpiringCertificate struct {
	Org       id.Org
	Endpoint  id.WebhookEndpoint
	ExpiresAt time.Time
}

// ExpiringCertificates returns the client certificates of enabled endpoints
// that expire within a time from now, the first to expire first.
func ExpiringCertificates(ctx context.Context, db *pg.Worker, within time.Duration) ([]ExpiringCertificate, error) {
	rows, err := db.Query(ctx, `
		SELECT org_id, id, certificate_expires_at FROM webhook_endpoint
		WHERE certificate_expires_at < portico_now() + $1 AND status = 'enabled' AND deleted_at IS NULL
		ORDER BY certificate_expires_at`, within)
	if err != nil {
		return nil, fmt.Errorf("webhook.ExpiringCertificates: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ExpiringCertificate])
	if err != nil {
		return nil, fmt.Errorf("webhook.ExpiringCertificates: %w", err)
	}
	return list, nil
}
