package mail

import (
	"context"
	"fmt"
	"time"

	"portico/shared/job"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// throttle is the rate of SES. Until the account is read it hardly limits: SES itself
// says when too much is sent, which loses no mail.
var throttle = job.Throttle{Name: "ses", PerSecond: 1000, Burst: 100}

const (
	// rateShare of SES's rate is used, so that its clock and ours may differ.
	rateShare = 0.95
	// quotaShare of the daily quota may be used by marketing; the rest is for mail that
	// people wait for.
	quotaShare = 0.9
)

// ReadAccountKind is the kind of the job that reads the account at SES.
const ReadAccountKind = "mail.read_account"

// readAccount reads how much may be sent, sets the throttle, and stops marketing while
// most of the daily quota is used. Without SES it does nothing. It runs every hour, so
// it is not tried again for long.
func (s *Sender) readAccount() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: ReadAccountKind, Queue: job.High, Platform: true, Timeout: 20 * time.Second, Retry: job.Schedule{time.Minute, 10 * time.Minute},
		Work: job.Call(func(ctx context.Context, _ job.Job, _ struct{}) (*transport.Account, error) {
			if s.Account == nil {
				return nil, nil
			}
			a, err := s.Account(ctx)
			return &a, err
		}, func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, a *transport.Account) error {
			if a == nil {
				return job.Resume(ctx, tx, marketingKind.Queue, marketingKind.Name, ReadAccountKind) // of a time with SES
			}
			return s.keepWithin(ctx, tx, *a)
		}),
	}
}

// keepWithin keeps this database's mail within the account's limits. Each database has
// a throttle of its own, and so an equal share of the rate.
func (s *Sender) keepWithin(ctx context.Context, tx pg.Tx, a transport.Account) error {
	rate := rateShare * a.PerSecond / float64(len(s.DB.All()))
	if err := job.SetRate(ctx, tx, job.Throttle{Name: throttle.Name, PerSecond: rate, Burst: rate / 4}); err != nil {
		return err
	}
	if a.PerDay >= 0 && a.Sent >= quotaShare*a.PerDay {
		why := fmt.Sprintf("%.0f of the %.0f mails that SES allows in 24 hours are sent. The rest is for mail that people wait for.", a.Sent, a.PerDay)
		return job.Pause(ctx, tx, marketingKind.Name, ReadAccountKind, why)
	}
	return job.Resume(ctx, tx, marketingKind.Queue, marketingKind.Name, ReadAccountKind)
}
