package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/webhook"
)

const (
	// expiresSoon is how long before its expiry a client certificate is reported:
	// from 30 whole days on.
	expiresSoon = 31 * 24 * time.Hour
	// tellAtMost is no longer than a publish may take, which claim.Due relies on.
	tellAtMost = 25 * time.Second
)

// watchCertificates writes one line if client certificates expire soon, and
// tells their owners.
func (u *Upkeep) watchCertificates(ctx context.Context, m *Maintained) error {
	list, err := webhook.ExpiringCertificates(ctx, u.DB, expiresSoon)
	if err != nil || len(list) == 0 {
		return err
	}
	m.CertificatesExpiring = len(list)
	u.Log.Line(ctx, slog.LevelWarn, "client certificates expire within 31 days",
		[]observe.Metric{observe.One("CertificatesExpiring", observe.Count, float64(len(list)))},
		slog.Time("first_expires_at", list[0].ExpiresAt.UTC()), slog.String("first_endpoint", list[0].Endpoint.String()))
	untold := map[id.Org]bool{}
	for _, one := range list {
		if one.Untold {
			untold[one.Org] = true
		}
	}
	return u.tellOwners(ctx, untold, m)
}

// tellOwners publishes the notices of each organization in a transaction of its
// own: one that cannot be told keeps no other from it, and is told the next time.
func (u *Upkeep) tellOwners(ctx context.Context, orgs map[id.Org]bool, m *Maintained) error {
	var failed error
	wake := false
	for org := range orgs {
		told, due, err := u.tellOwner(ctx, org)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		m.CertificatesTold += told
		wake = wake || due
	}
	if wake {
		// What is committed is delivered at the latest by the sweep.
		if err := u.Waker.Wake(ctx); err != nil {
			u.Log.Line(ctx, slog.LevelWarn, "no dispatcher could be woken", nil, slog.String("cause", err.Error()))
		}
	}
	return failed
}

// tellOwner returns how many certificates it published notices about, and whether
// any endpoint gets one.
func (u *Upkeep) tellOwner(ctx context.Context, org id.Org) (told int, due bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tellAtMost)
	defer cancel()
	if err := u.Waker.Due.Lower(ctx, u.Clock.Now()); err != nil {
		return 0, false, err
	}
	err = pgx.BeginFunc(ctx, u.DB, func(tx pgx.Tx) error {
		notices, err := webhook.TellOfCertificates(ctx, tx, org)
		if err != nil || len(notices) == 0 {
			return err
		}
		endpoints, err := event.PublishNotices(ctx, tx, org, notices, u.Clock.Now())
		told, due = len(notices), len(endpoints) > 0
		return err
	})
	return told, due, err
}
