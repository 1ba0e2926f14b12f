package claim

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/clock"
	"portico/shared/pg"
)

// dispatch claims and does work until the dispatcher is idle, surplus or short of
// time, or until claims have failed for longer than patience with an error that
// is not transient.
func (r *run[K, W, R]) dispatch(ctx context.Context) error {
	busy, worked := time.Now(), time.Now()
	for r.hasTime(ctx) && !r.surplus.Load() {
		limit := min(r.lanes.awaitFree(ctx), r.batch())
		began := time.Now()
		n, more, err := r.claim(ctx, limit)
		switch {
		case err != nil && !pg.IsTransient(err) && time.Since(worked) > patience:
			return err
		case err != nil:
			r.warn(ctx, "due work could not be claimed", err)
			_ = clock.Sleep(ctx, tryAgain)
			continue
		case n > 0:
			busy = time.Now()
		case time.Since(busy) > r.idle() && r.lanes.idle():
			return nil
		}
		worked = time.Now()
		r.callHelp(ctx)
		r.chooseNotice(ctx, n)
		if !more {
			_ = clock.Sleep(ctx, pace(n, time.Since(began)))
		}
		r.awaitWork(ctx, busy)
	}
	return nil
}

// idle returns how long to stay awake without work. New work goes to the leader,
// so the others are needed only while they find something due.
func (r *run[K, W, R]) idle() time.Duration {
	if r.leads.Load() {
		return r.Idle
	}
	return min(r.Idle, IdleAtLeast)
}

// pace returns how long to wait before the next claim, after a claim of n pieces of
// work that took `took`. The more work one claim finds, the longer it pays to wait
// for more, because a small claim costs as much as a large one. n squared
// milliseconds means gatherAtMost for a busy dispatcher, and 1 ms for one that finds
// single pieces.
func pace(n int, took time.Duration) time.Duration {
	return min(max(took, time.Duration(n*n)*time.Millisecond), gatherAtMost)
}

// awaitWork returns when this dispatcher is notified, when a slot is free for a lane
// that waits for one, when it is time to look, or when the dispatcher may be idle.
func (r *run[K, W, R]) awaitWork(ctx context.Context, busy time.Time) {
	idle := time.Until(busy.Add(r.idle()))
	if idle <= 0 {
		idle = r.lookEvery() // work is in flight
	}
	t := time.NewTimer(min(time.Until(r.nextLook()), idle+time.Millisecond))
	defer t.Stop()
	for !r.lanes.waiting() {
		select {
		case <-ctx.Done():
			return
		case <-r.told:
			return
		case <-t.C:
			return
		case <-r.lanes.freed:
		}
	}
}

// hasTime reports whether work claimed now can be done and recorded before ctx
// ends.
func (r *run[K, W, R]) hasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > r.Lease+2*time.Second)
}

// claim leases up to limit pieces of work of the lanes that lanes.pick returns and
// starts them. It reports whether more may be due now.
func (r *run[K, W, R]) claim(ctx context.Context, limit int) (n int, more bool, err error) {
	if err := r.look(ctx); err != nil {
		return 0, false, err
	}
	turns := r.lanes.pick(limit)
	if len(turns) == 0 {
		r.judgeAge(nil)
		return 0, false, nil
	}
	claimed, err := r.take(ctx, turns)
	if err != nil {
		for _, t := range turns {
			r.lanes.add(t.Lane)
		}
		return 0, false, err
	}
	leased := r.leased[:0]
	for i := range claimed {
		leased = append(leased, claimed[i].Leased())
	}
	r.leased = leased
	more = r.lanes.claimed(turns, leased, time.Now())
	r.judgeClaim(turns, leased)
	for _, work := range claimed {
		r.start(ctx, work)
	}
	return len(claimed), more, nil
}

// start gives work to a goroutine that has ended its last one, or to a new one. They
// are kept because their stacks have grown: for a short piece of work, such as a
// request, growing a stack is a tenth of the time.
func (r *run[K, W, R]) start(ctx context.Context, work W) {
	select {
	case r.work <- work:
	default:
		r.workers.Go(func() { r.serve(ctx, work) })
	}
}

// serve does one piece of work after the other until there is no more.
func (r *run[K, W, R]) serve(ctx context.Context, work W) {
	for more := true; more; work, more = <-r.work {
		r.finish(r.queue.Do(ctx, work))
	}
}

func (r *run[K, W, R]) take(ctx context.Context, turns []Turn[K]) ([]W, error) {
	if err := r.Waker.Due.Lower(ctx, r.Clock.Now()); err != nil {
		return nil, err
	}
	return r.queue.Claim(ctx, turns)
}

// finish passes a result to record, and frees the slot only then: while Postgres
// cannot record results, nothing new is claimed.
func (r *run[K, W, R]) finish(result R) {
	ended := result.Ended()
	r.results <- result
	r.lanes.leave(ended.Lane, ended.Took)
}

func (r *run[K, W, R]) warn(ctx context.Context, message string, err error) {
	r.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}
