package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/event"
	"portico/shared/idempotency"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/dmarc"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
	"portico/shared/webhook/statistics"
)

// Upkeep is the daily upkeep.
type Upkeep struct {
	DB    *pg.Worker
	Waker *claim.Waker
	Clock *clock.Clock
	Log   *observe.Log
	// Keep is how long events, deliveries and attempts are kept at least.
	Keep time.Duration
}

// Maintained is the result of the daily upkeep.
type Maintained struct {
	PartitionsMade         int   `json:"partitions_made"`
	PartitionsDropped      int   `json:"partitions_dropped"`
	PartitionsKept         int   `json:"partitions_kept"` // although they have expired
	IdempotencyKeysRemoved int64 `json:"idempotency_keys_removed"`
	OrderingKeysReleased   int   `json:"ordering_keys_released"`
	DeliveriesExpired      int   `json:"deliveries_expired"`
	JobCountsRemoved       int64 `json:"job_counts_removed"`
	RecoveriesForgotten    int64 `json:"recoveries_forgotten"`
	EndpointCountsRemoved  int64 `json:"endpoint_counts_removed"`
	ExternalIDsForgotten   int64 `json:"external_ids_forgotten"`
	MailsForgotten         int64 `json:"mails_forgotten"`
	MailAddressesForgotten int64 `json:"mail_addresses_forgotten"`
	MailCountsForgotten    int64 `json:"mail_counts_forgotten"`
	DMARCReportsForgotten  int64 `json:"dmarc_reports_forgotten"`
}

// keysPerStatement bounds how long one DELETE keeps its locks.
const keysPerStatement = 5000

// Maintain makes the partitions of the next three months, removes expired idempotency
// keys, lets go what waits at deleted endpoints, fails what was held for longer than
// is kept, drops the partitions that have expired with the external ids of their events, and removes the counters of jobs and
// of endpoints, the recoveries and the log of mails of a quarter ago, addresses whose time
// without mail is over, the DMARC reports of a quarter ago, and the counters of mail of a
// year ago. It may run at any time and any number of times. What fails keeps nothing else
// from being done.
func (u *Upkeep) Maintain(ctx context.Context) (Maintained, error) {
	var m Maintained
	err := errors.Join(u.makePartitions(ctx, &m), u.sweepKeys(ctx, &m), u.releaseKeys(ctx, &m), u.failHeld(ctx, &m), u.dropExpired(ctx, &m), u.forgetExternalIDs(ctx, &m), u.pruneCounts(ctx, &m), u.forgetRecoveries(ctx, &m), u.forgetMails(ctx, &m), u.forgetAddresses(ctx, &m), u.forgetReports(ctx, &m))
	return m, err
}

func (u *Upkeep) makePartitions(ctx context.Context, m *Maintained) (err error) {
	m.PartitionsMade, err = pg.Value[int](ctx, u.DB, "jobs.makePartitions", `SELECT make_partitions()`)
	return err
}

func (u *Upkeep) sweepKeys(ctx context.Context, m *Maintained) error {
	for {
		removed, err := idempotency.Sweep(ctx, u.DB, keysPerStatement)
		m.IdempotencyKeysRemoved += removed
		if err != nil || removed < keysPerStatement {
			return err
		}
	}
}

// keepCounts is how long it is known how many jobs ended in each hour, and what became
// of recoveries.
const keepCounts = 90 * 24 * time.Hour

func (u *Upkeep) pruneCounts(ctx context.Context, m *Maintained) error {
	return errors.Join(
		pruneAll(&m.JobCountsRemoved, func() (int64, error) { return job.PruneCounts(ctx, u.DB, keepCounts, keysPerStatement) }),
		pruneAll(&m.EndpointCountsRemoved, func() (int64, error) { return statistics.Prune(ctx, u.DB, statistics.Keep, keysPerStatement) }))
}

// pruneAll calls a function that deletes up to keysPerStatement rows until none are left.
func pruneAll(all *int64, prune func() (int64, error)) error {
	for {
		removed, err := prune()
		*all += removed
		if err != nil || removed < keysPerStatement {
			return err
		}
	}
}

// forgetExternalIDs removes those of events whose partition is gone.
func (u *Upkeep) forgetExternalIDs(ctx context.Context, m *Maintained) error {
	for {
		forgotten, err := event.ForgetExternalIDs(ctx, u.DB, keysPerStatement)
		m.ExternalIDsForgotten += forgotten
		if err != nil || forgotten < keysPerStatement {
			return err
		}
	}
}

func (u *Upkeep) forgetRecoveries(ctx context.Context, m *Maintained) error {
	for {
		forgotten, err := recovery.Forget(ctx, u.DB, keepCounts, keysPerStatement)
		m.RecoveriesForgotten += forgotten
		if err != nil || forgotten < keysPerStatement {
			return err
		}
	}
}

func (u *Upkeep) forgetMails(ctx context.Context, m *Maintained) error {
	for {
		forgotten, err := mail.Forget(ctx, u.DB, mail.KeepLog, keysPerStatement)
		m.MailsForgotten += forgotten
		if err != nil || forgotten < keysPerStatement {
			return err
		}
	}
}

func (u *Upkeep) forgetAddresses(ctx context.Context, m *Maintained) (err error) {
	if m.MailCountsForgotten, err = mail.ForgetCounts(ctx, u.DB); err != nil {
		return err
	}
	for {
		forgotten, err := mail.ForgetAddresses(ctx, u.DB, keysPerStatement)
		m.MailAddressesForgotten += forgotten
		if err != nil || forgotten < keysPerStatement {
			return err
		}
	}
}

// reportsPerStatement is smaller, because a report may have 10,000 rows.
const reportsPerStatement = 50

func (u *Upkeep) forgetReports(ctx context.Context, m *Maintained) error {
	for {
		forgotten, err := dmarc.Forget(ctx, u.DB, reportsPerStatement)
		m.DMARCReportsForgotten += forgotten
		if err != nil || forgotten < reportsPerStatement {
			return err
		}
	}
}

// releaseKeys resumes the paused ordering keys of deleted endpoints. The next
// sweep at the latest wakes a dispatcher for their deliveries.
func (u *Upkeep) releaseKeys(ctx context.Context, m *Maintained) error {
	for {
		if err := u.Waker.Due.Lower(ctx, u.Clock.Now()); err != nil {
			return err
		}
		released := 0
		err := pgx.BeginFunc(ctx, u.DB, func(tx pgx.Tx) (err error) {
			released, err = webhook.ReleaseKeys(ctx, tx, keysPerStatement)
			return err
		})
		if err != nil {
			return err
		}
		m.OrderingKeysReleased += released
		if released < keysPerStatement {
			return nil
		}
	}
}
