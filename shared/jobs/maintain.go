package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/export"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/consumer"
	"portico/shared/erasure"
	"portico/shared/event"
	"portico/shared/idempotency"
	"portico/shared/identity"
	"portico/shared/invitation"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/dmarc"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/sso"
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
	// Keep is how long events, deliveries and attempts are kept at least, unless their
	// organization keeps them for a shorter time.
	Keep time.Duration
	// KeepAudit is how long entries of the audit log are kept at least, unless their
	// organization keeps them for a shorter time.
	KeepAudit time.Duration
	// ExpireFor bounds how long a run deletes events, and how long audit entries, that
	// organizations keep for a shorter time: the next one continues.
	ExpireFor time.Duration
}

// Maintained is the result of the daily upkeep.
type Maintained struct {
	PartitionsMade         int   `json:"partitions_made"`
	PartitionsDropped      int   `json:"partitions_dropped"`
	PartitionsKept         int   `json:"partitions_kept"` // although they have expired
	IdempotencyKeysRemoved int64 `json:"idempotency_keys_removed"`
	OrderingKeysReleased   int   `json:"ordering_keys_released"`
	DeliveriesExpired      int   `json:"deliveries_expired"`
	EventsExpired          int64 `json:"events_expired"`        // of organizations with a retention of their own
	AuditEntriesExpired    int64 `json:"audit_entries_expired"` // of organizations with a retention of their own
	AuditQuartersDropped   int   `json:"audit_quarters_dropped"`
	JobCountsRemoved       int64 `json:"job_counts_removed"`
	RecoveriesForgotten    int64 `json:"recoveries_forgotten"`
	ErasuresForgotten      int64 `json:"erasures_forgotten"`
	AuditExportsForgotten  int64 `json:"audit_exports_forgotten"`
	EndpointCountsRemoved  int64 `json:"endpoint_counts_removed"`
	ExternalIDsForgotten   int64 `json:"external_ids_forgotten"`
	MailsForgotten         int64 `json:"mails_forgotten"`
	MailAddressesForgotten int64 `json:"mail_addresses_forgotten"`
	MailCountsForgotten    int64 `json:"mail_counts_forgotten"`
	DMARCReportsForgotten  int64 `json:"dmarc_reports_forgotten"`
	StreamItemsForgotten   int64 `json:"stream_items_forgotten"`
	RefusalsForgotten      int64 `json:"refusals_forgotten"` // counts of refused attempts
	UserEventsForgotten    int64 `json:"user_events_forgotten"`
	SSOTracesForgotten     int64 `json:"sso_traces_forgotten"`
	LoginsForgotten        int64 `json:"logins_forgotten"` // of people who have not proven their address
	InvitationsForgotten   int64 `json:"invitations_forgotten"`
}

// keysPerStatement bounds how long one DELETE keeps its locks.
const keysPerStatement = 5000

// Maintain does the daily upkeep. It may run at any time and any number of times. What
// fails keeps nothing else from being done.
func (u *Upkeep) Maintain(ctx context.Context) (Maintained, error) {
	var m Maintained
	var failed []error
	for _, do := range []func(context.Context, *Maintained) error{
		u.makePartitions, // of the next three months
		u.sweepKeys,
		u.releaseKeys,
		u.failHeld,
		u.forgetItems, // before their events go
		u.expireEvents,
		u.dropExpired,
		u.expireEntries,
		u.dropQuarters, // of the audit log
		u.forgetExternalIDs,
		u.pruneCounts, // of a quarter ago, as the recoveries, the erasures, the exports, the log of mails and the DMARC reports
		u.forgetRecoveries,
		u.forgetErasures,
		u.forgetExports,
		u.forgetMails,
		u.forgetAddresses, // whose time without mail is over, and counters of a year ago
		u.forgetReports,
		u.forgetRefused,
		u.forgetPeople, // histories of a year ago, and who did not complete a sign-up
	} {
		failed = append(failed, do(ctx, &m))
	}
	return m, errors.Join(failed...)
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
// of recoveries, erasures and exports.
const keepCounts = 90 * 24 * time.Hour

func (u *Upkeep) pruneCounts(ctx context.Context, m *Maintained) error {
	return errors.Join(
		pruneAll(&m.JobCountsRemoved, func() (int64, error) { return job.PruneCounts(ctx, u.DB, keepCounts, keysPerStatement) }),
		pruneAll(&m.EndpointCountsRemoved, func() (int64, error) { return statistics.Prune(ctx, u.DB, statistics.Keep, keysPerStatement) }))
}

func (u *Upkeep) forgetPeople(ctx context.Context, m *Maintained) error {
	return errors.Join(
		pruneAll(&m.UserEventsForgotten, func() (int64, error) { return identity.ForgetHistory(ctx, u.DB, keysPerStatement) }),
		pruneAll(&m.SSOTracesForgotten, func() (int64, error) { return sso.ForgetTraces(ctx, u.DB, keysPerStatement) }),
		pruneAll(&m.LoginsForgotten, func() (int64, error) { return identity.ForgetUnproven(ctx, u.DB, keysPerStatement) }),
		pruneAll(&m.InvitationsForgotten, func() (int64, error) { return invitation.Forget(ctx, u.DB, keysPerStatement) }))
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

func (u *Upkeep) forgetErasures(ctx context.Context, m *Maintained) error {
	return pruneAll(&m.ErasuresForgotten, func() (int64, error) { return erasure.Forget(ctx, u.DB, keepCounts, keysPerStatement) })
}

func (u *Upkeep) forgetRefused(ctx context.Context, m *Maintained) error {
	return pruneAll(&m.RefusalsForgotten, func() (int64, error) { return audit.ForgetRefused(ctx, u.DB, keysPerStatement) })
}

func (u *Upkeep) forgetExports(ctx context.Context, m *Maintained) error {
	return pruneAll(&m.AuditExportsForgotten, func() (int64, error) { return export.Forget(ctx, u.DB, keepCounts, keysPerStatement) })
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

// forgetItems removes the items of events that have expired, and those of deleted
// consumers. If it fails for one consumer, it goes on with the others.
func (u *Upkeep) forgetItems(ctx context.Context, m *Maintained) error {
	retentions, err := event.ListRetentions(ctx, u.DB, u.Keep)
	if err != nil {
		return err
	}
	consumers, err := consumer.ListOld(ctx, u.DB)
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range consumers {
		failed = append(failed, u.forgetItemsOf(ctx, c, retentions.Of(c.Org), m))
	}
	return errors.Join(failed...)
}

func (u *Upkeep) forgetItemsOf(ctx context.Context, c consumer.Old, keep time.Duration, m *Maintained) error {
	for {
		removed, err := consumer.Forget(ctx, u.DB, c, keep, keysPerStatement)
		m.StreamItemsForgotten += removed
		if err != nil || removed < keysPerStatement {
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
