package claim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

// sweepEvery is how often the sweep runs, by its schedule in template.yaml.
const sweepEvery = time.Minute

// overdue is how late work may be before another dispatcher is woken although one
// is awake by its row.
const overdue = time.Second

// finishMovesWithin bounds how long a sweep tries to finish moves to this
// database: the other database may be slow, or a lock may be held there.
const finishMovesWithin = 5 * time.Second

// Sweeper checks once a minute for due work without a nudge: a retry whose time
// has come, a lease of a dispatcher that died, a nudge that was lost. One sweeper
// serves all queues of a database.
type Sweeper struct {
	DB     *pg.Worker
	Queues []Swept
	Clock  *clock.Clock
	Log    *observe.Log
	// FinishMoves finishes the moves of organizations to this database. While one
	// is moving, it is called every minute.
	FinishMoves func(context.Context) (moving bool, err error)

	FinishWithin time.Duration // 0: 5 s
}

// Swept is a queue as the sweep needs it.
type Swept struct {
	Waker *Waker
	Next  func(context.Context) (Next, error) // as Queue.Next
	// OldestDueAge is the name of the metric: how long the earliest work has been
	// due, in seconds.
	OldestDueAge string
}

// Sweep costs one call of DynamoDB while nothing is due in any queue. If moves
// cannot be finished, or a queue cannot be swept, everything else is still done.
func (s *Sweeper) Sweep(ctx context.Context) error {
	dues := make([]*Due, len(s.Queues))
	for i, q := range s.Queues {
		dues[i] = q.Waker.Due
	}
	items, err := readAll(ctx, dues)
	if err != nil {
		return err
	}
	ask := slices.ContainsFunc(items, func(i DueItem) bool { return i.isDue(s.Clock.Now()) })
	var moving, nudged bool
	var unfinished, failed error
	var metrics []observe.Metric
	if ask {
		moving, unfinished = s.finishMoves(ctx)
	}
	for i, q := range s.Queues {
		age, woken, err := s.sweep(ctx, q, items[i], !moving && unfinished == nil)
		nudged, failed = nudged || woken, errors.Join(failed, err)
		if err == nil {
			metrics = append(metrics, observe.One(q.OldestDueAge, observe.Seconds, age.Seconds()))
		}
	}
	if ask {
		open, err := pg.Value[time.Duration](ctx, s.DB, "claim.Sweep", `SELECT oldest_transaction()`)
		if failed = errors.Join(failed, err); err == nil {
			metrics = append(metrics, observe.One("OldestTransactionAge", observe.Seconds, open.Seconds()))
		}
	}
	s.Log.Line(ctx, slog.LevelInfo, "swept", metrics, slog.Bool("nudged", nudged))
	return errors.Join(unfinished, failed)
}

// finishMoves finishes moves to this database, within its time limit.
func (s *Sweeper) finishMoves(ctx context.Context) (moving bool, err error) {
	within := cmp.Or(s.FinishWithin, finishMovesWithin)
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("moves could not be finished within %s; the next sweep tries again", within))
	defer cancel()
	if moving, err = s.FinishMoves(ctx); err != nil && ctx.Err() != nil {
		err = fmt.Errorf("claim.finishMoves: %w: %w", context.Cause(ctx), err)
	}
	return moving, err
}

// sweep asks Postgres about one queue if its item says so. If something is due it
// wakes a dispatcher; otherwise, if raise is true, it raises the item to when
// something will be due.
func (s *Sweeper) sweep(ctx context.Context, q Swept, item DueItem, raise bool) (age time.Duration, nudged bool, err error) {
	if !item.isDue(s.Clock.Now()) {
		return 0, false, nil
	}
	n, err := q.Next(ctx)
	if err != nil {
		return 0, false, err
	}
	if !n.Due {
		if raise {
			_, err = q.Waker.Due.Raise(ctx, item, n.At)
		}
		return 0, false, errors.Join(err, s.wakeBetween(ctx, q, n))
	}
	awake, err := isAwake(ctx, s.DB, q.Waker.Queue)
	if err != nil {
		return n.Age, false, err
	}
	between := s.wakeBetween(ctx, q, n)
	if awake && n.Age < overdue {
		return n.Age, false, between
	}
	// The work is overdue, so the dispatcher that is awake by its row is dead or
	// overloaded.
	return n.Age, true, errors.Join(between, q.Waker.Wake(ctx))
}

// wakeBetween sends a nudge that arrives before the next sweep: when the earliest work
// may be claimed, or in half a minute if that is now. So if all dispatchers are killed
// in the middle of their work, another one begins at most half a minute later, or
// when the last lease ends. If nobody was killed, it finds nothing and sleeps.
func (s *Sweeper) wakeBetween(ctx context.Context, q Swept, n Next) error {
	switch until := -n.Age; {
	case n.Due:
		return q.Waker.WakeAfter(ctx, sweepEvery/2)
	case n.At.IsZero() || until > sweepEvery:
		return nil
	default:
		return q.Waker.WakeAfter(ctx, until)
	}
}
