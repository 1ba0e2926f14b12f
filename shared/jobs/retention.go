package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

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

// namedAtMost is how many endpoints a line names that hold a partition back.
const namedAtMost = 10

// expired is a partition of which every event is older than is kept.
type expired struct {
	Part        string
	Since, Till time.Time
}

// dropExpired drops the partitions of events, deliveries and attempts that are
// older than is kept. One with unfinished deliveries stays, and the log names
// whose they are; one that is in use all the time is left to the next day.
func (u *Upkeep) dropExpired(ctx context.Context, m *Maintained) error {
	rows, err := u.DB.Query(ctx, `SELECT part, since, till FROM expired_partitions($1)`, u.Keep)
	if err != nil {
		return fmt.Errorf("jobs.dropExpired: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[expired])
	if err != nil {
		return fmt.Errorf("jobs.dropExpired: %w", err)
	}
	var behind time.Duration
	for _, p := range list {
		dropped, failed := u.drop(ctx, p)
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

// drop reports whether the partition is gone. Without an error it may not go.
func (u *Upkeep) drop(ctx context.Context, p expired) (dropped bool, err error) {
	for range dropTries {
		err = u.DB.QueryRow(ctx, `SELECT drop_partition($1, $2)`, p.Part, u.Keep).Scan(&dropped)
		if !pg.IsLockTimeout(err) {
			break
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(dropPause):
		}
	}
	if err != nil {
		return false, fmt.Errorf("jobs.drop: %s: %w", p.Part, err)
	}
	return dropped, nil
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
	rows, err := u.DB.Query(ctx, `SELECT org_id FROM placement WHERE state = 'arriving' LIMIT $1`, namedAtMost)
	if err != nil {
		return fmt.Errorf("jobs.explain: %w", err)
	}
	arriving, err := pgx.CollectRows(rows, pgx.RowTo[id.Org])
	if err != nil {
		return fmt.Errorf("jobs.explain: %w", err)
	}
	u.Log.Warn("an expired partition is held back", append(attrs, "unfinished", endpoints, "arriving", arriving)...)
	return nil
}
