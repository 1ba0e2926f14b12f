package jobs

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

const (
	// expiresSoon is how long before its expiry a client certificate is reported:
	// from 30 whole days on.
	expiresSoon = 31 * 24 * time.Hour
	// tellAtMost is no longer than a publish may take, which claim.Due relies on.
	tellAtMost = 25 * time.Second
)

const watchCertificatesKind = "webhook_endpoint.watch_certificates"

// watchCertificates writes one line if client certificates expire soon, and adds a
// job for each organization that has to be told: one that cannot be told keeps no
// other from it.
func (k Kinds) watchCertificates() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: watchCertificatesKind, Queue: job.High, Platform: true,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}) error {
			list, err := webhook.ExpiringCertificates(ctx, tx, expiresSoon)
			if err != nil || len(list) == 0 {
				return err
			}
			k.Log.Line(ctx, slog.LevelWarn, "client certificates expire within 31 days",
				[]observe.Metric{observe.One("CertificatesExpiring", observe.Count, float64(len(list)))},
				slog.Time("first_expires_at", list[0].ExpiresAt.UTC()), slog.String("first_endpoint", list[0].Endpoint.String()))
			told := map[id.Org]bool{}
			for _, one := range list {
				if !one.Untold || told[one.Org] {
					continue
				}
				told[one.Org] = true
				if _, err := job.Add(ctx, tx, one.Org, k.tellOfCertificates(), struct{}{}, job.Options{Key: "certificates"}); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// tellOfCertificates publishes an organization's notices. The dispatcher that is
// awake, or the next sweep, delivers them.
func (k Kinds) tellOfCertificates() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: "webhook_endpoint.tell_of_certificates", Queue: job.High, Unique: job.Waits, Timeout: tellAtMost,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, _ struct{}) error {
			if err := k.Due.Lower(ctx, k.Clock.Now()); err != nil {
				return err
			}
			notices, err := webhook.TellOfCertificates(ctx, tx, j.Org)
			if err != nil || len(notices) == 0 {
				return err
			}
			_, err = event.PublishNotices(ctx, tx, j.Org, notices, k.Clock.Now())
			return err
		}),
	}
}
