package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

// sweepEvery is how often the sweep runs, by its schedule in template.yaml.
const sweepEvery = time.Minute

// overdue is how late a delivery may be before another dispatcher is woken
// although one is awake by its row.
const overdue = time.Second

// finishMovesWithin bounds how long a sweep tries to finish moves to this
// database: the other database may be slow, or a lock may be held there.
const finishMovesWithin = 5 * time.Second

// Sweeper checks once a minute for due deliveries without a nudge: a retry whose
// time has come, a lease of a dispatcher that died, a nudge that was lost.
type Sweeper struct {
	DB    *pg.Worker
	Waker *Waker
	Clock *clock.Clock
	Log   *observe.Log
	// FinishMoves finishes the moves of organizations to this database. While one
	// is moving, it is called every minute.
	FinishMoves func(context.Context) (moving bool, err error)

	finishWithin time.Duration // 0: finishMovesWithin
}

// Sweep costs one DynamoDB read while nothing is due. If moves cannot be
// finished, everything else is still done.
func (s *Sweeper) Sweep(ctx context.Context) error {
	item, err := s.Waker.Due.Read(ctx)
	if err != nil {
		return err
	}
	var age time.Duration
	var unfinished error
	nudged := false
	var metrics []observe.Metric
	if item.Missing() || (!item.At.IsZero() && !item.At.After(s.Clock.Now())) {
		var moving bool
		moving, unfinished = s.finishMoves(ctx)
		if age, nudged, err = s.lookForDue(ctx, item, !moving && unfinished == nil); err != nil {
			return errors.Join(unfinished, err)
		}
		open, err := pg.Value[time.Duration](ctx, s.DB, "webhook.Sweep", `SELECT oldest_transaction()`)
		if err != nil {
			return errors.Join(unfinished, err)
		}
		metrics = append(metrics, observe.One("OldestTransactionAge", observe.Seconds, open.Seconds()))
	}
	metrics = append(metrics, observe.One("OldestDueAge", observe.Seconds, age.Seconds()))
	s.Log.Line(ctx, slog.LevelInfo, "swept", metrics, slog.Bool("nudged", nudged))
	return unfinished
}

// finishMoves finishes moves to this database, within its time limit.
func (s *Sweeper) finishMoves(ctx context.Context) (moving bool, err error) {
	within := cmp.Or(s.finishWithin, finishMovesWithin)
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("moves could not be finished within %s; the next sweep tries again", within))
	defer cancel()
	if moving, err = s.FinishMoves(ctx); err != nil && ctx.Err() != nil {
		err = fmt.Errorf("webhook.finishMoves: %w: %w", context.Cause(ctx), err)
	}
	return moving, err
}

// lookForDue asks Postgres. If something is due it wakes a dispatcher; otherwise,
// if raise is true, it raises the item to when something will be due.
func (s *Sweeper) lookForDue(ctx context.Context, item DueItem, raise bool) (age time.Duration, nudged bool, err error) {
	n, err := nextDue(ctx, s.DB)
	if err != nil {
		return 0, false, err
	}
	if !n.due {
		if raise {
			_, err = s.Waker.Due.Raise(ctx, item, n.at)
		}
		return 0, false, err
	}
	awake, err := isAwake(ctx, s.DB)
	if err != nil {
		return n.age, false, err
	}
	if awake && n.age < overdue {
		return n.age, false, nil
	}
	// A delivery is overdue, so the dispatcher that is awake by its row is dead
	// or overloaded.
	return n.age, true, s.Waker.Wake(ctx)
}
