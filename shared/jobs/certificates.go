package jobs

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// expiresSoon is how long before its end a client certificate is spoken of.
const expiresSoon = 30 * 24 * time.Hour

// warnOfCertificates writes one line if client certificates expire soon, and
// returns how many do.
func warnOfCertificates(ctx context.Context, db *pg.Worker, log *observe.Log) (int, error) {
	list, err := webhook.ExpiringCertificates(ctx, db, expiresSoon)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	log.Line(ctx, slog.LevelWarn, "client certificates expire within 30 days",
		[]observe.Metric{observe.One("CertificatesExpiring", observe.Count, float64(len(list)))},
		slog.Time("first_expires_at", list[0].ExpiresAt.UTC()), slog.String("first_endpoint", list[0].Endpoint.String()))
	return len(list), nil
}
