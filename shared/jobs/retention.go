package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"portico/shared/audit/chain"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// A drop that finds its table in use is tried again this often. Each try keeps
// publishing waiting for a tenth of a second at most.
const (
	dropTries = 10
	dropPause = 500 * time.Millisecond
)

// namedAtMost is how many of the endpoints that keep a partition from being
// dropped a log line names.
const namedAtMost = 10

// expired is a partition in which every event is older than events are kept.
type expired struct {
	Part        string
	Since, Till time.Time
}

// dropExpired drops the partitions of events, deliveries and attempts that are
// older than they are kept. A partition with unfinished deliveries stays, and the
// log names their endpoints. A partition that is always in use is left for the
// next day.
func (u *Upkeep) dropExpired(ctx context.Context, m *Maintained) error {
	list, err := pg.List[expired](ctx, u.DB, "jobs.dropExpired", `SELECT part, since, till FROM expired_partitions($1)`, u.Keep)
	if err != nil {
		return err
	}
	var behind time.Duration
	for _, p := range list {
		dropped, failed := u.drop(ctx, func() (bool, error) {
			return pg.Value[bool](ctx, u.DB, "jobs.drop: "+p.Part, `SELECT drop_partition($1, $2)`, p.Part, u.Keep)
		})
		if dropped {
			m.PartitionsDropped++
			continue
		}
		m.PartitionsKept++
		behind = max(behind, u.Clock.Now().Sub(p.Till)-u.Keep)
		err = errors.Join(err, failed, u.explain(ctx, p, failed))
	}
	u.Log.Line(ctx, slog.LevelInfo, "retention", []observe.Metric{observe.One("RetentionBehind", observe.Seconds, behind.Seconds())},
		slog.Int("dropped", m.PartitionsDropped), slog.Int("kept", m.PartitionsKept))
	return err
}

// drop tries to drop a partition until its table is not in use. It reports whether the
// partition is gone. Without an error it may not go.
func (u *Upkeep) drop(ctx context.Context, try func() (bool, error)) (dropped bool, err error) {
	for range dropTries {
		if dropped, err = try(); !pg.IsLockTimeout(err) {
			break
		}
		if err := clock.Sleep(ctx, dropPause); err != nil {
			return false, err
		}
	}
	return dropped, err
}

// dropQuarters drops the quarters of the audit log that are older than it is kept.
func (u *Upkeep) dropQuarters(ctx context.Context, m *Maintained) error {
	list, err := chain.ListExpired(ctx, u.DB, u.KeepAudit)
	for _, quarter := range list {
		dropped, failed := u.drop(ctx, func() (bool, error) { return chain.DropQuarter(ctx, u.DB, quarter, u.KeepAudit) })
		if dropped {
			m.AuditQuartersDropped++
			continue
		}
		u.Log.Warn("an expired quarter of the audit log is kept", "quarter", quarter, "database", u.Waker.Database, "error", failed)
		err = errors.Join(err, failed)
	}
	return err
}

// explain says what holds a partition back.
func (u *Upkeep) explain(ctx context.Context, p expired, failed error) error {
	attrs := []any{"partition", p.Part, "database", u.Waker.Database}
	if failed != nil {
		u.Log.Warn("an expired partition could not be dropped", append(attrs, "error", failed)...)
		return nil // the caller returns it
	}
	endpoints, err := webhook.ListUnfinished(ctx, u.DB, p.Since, p.Till, namedAtMost)
	if err != nil {
		return err
	}
	arriving, err := pg.List[id.Org](ctx, u.DB, "jobs.explain", `SELECT org_id FROM placement WHERE state = 'arriving' LIMIT $1`, namedAtMost)
	if err != nil {
		return err
	}
	u.Log.Warn("an expired partition is kept", append(attrs, "unfinished", endpoints, "arriving", arriving)...)
	return nil
}
