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

// overdue is how late a delivery may be before a second dispatcher is woken
// beside one that claims to be awake.
const overdue = time.Second

// finishMovesWithin is how long a sweep tries to let in who has moved: another
// database may be slow, or a lock held there.
const finishMovesWithin = 5 * time.Second

// Sweeper looks once a minute whether something is due that nobody was nudged
// for: a retry whose time has come, a lease whose dispatcher died, a nudge
// that was lost.
type Sweeper struct {
	DB    *pg.Worker
	Waker *Waker
	Clock *clock.Clock
	Log   *observe.Log
	// FinishMoves lets in whoever has moved to this database. While a mover is at
	// work it is asked every minute.
	FinishMoves func(context.Context) (moving bool, err error)

	finishWithin time.Duration // 0: finishMovesWithin
}

// Sweep costs one DynamoDB read, and nothing else while nothing is due. Moves that
// could not be finished keep nothing else from being done.
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

// finishMoves lets in who has moved here, if that takes no longer than it may.
func (s *Sweeper) finishMoves(ctx context.Context) (moving bool, err error) {
	within := cmp.Or(s.finishWithin, finishMovesWithin)
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("moves could not be finished within %s; the next sweep tries again", within))
	defer cancel()
	if moving, err = s.FinishMoves(ctx); err != nil && ctx.Err() != nil {
		err = fmt.Errorf("webhook.finishMoves: %w: %w", context.Cause(ctx), err)
	}
	return moving, err
}

// lookForDue asks Postgres, wakes a dispatcher if something is due, and else
// lets the item say when to look again, if it may be raised.
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
	// Whoever holds the row of an overdue delivery is dead, or has more than it
	// can send.
	return n.age, true, s.Waker.Wake(ctx)
}
