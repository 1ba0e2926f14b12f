package webhook

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/clock"
	"portico/shared/pg"
)

// dispatch claims and sends until it is idle, surplus or short of time, or until
// claims have failed for as long as patience says, by what may not pass by itself.
func (r *run) dispatch(ctx context.Context) error {
	busy, worked := time.Now(), time.Now()
	for r.hasTime(ctx) && !r.surplus.Load() {
		limit := min(r.lanes.awaitFree(ctx), batchSize)
		began := time.Now()
		n, more, err := r.claim(ctx, limit)
		switch {
		case err != nil && !pg.IsTransient(err) && time.Since(worked) > patience:
			return err
		case err != nil:
			r.warn(ctx, "nothing could be claimed", err)
			_ = clock.Sleep(ctx, tryAgain)
			continue
		case n > 0:
			busy = time.Now()
		case time.Since(busy) > r.idle() && r.lanes.idle():
			return nil
		}
		worked = time.Now()
		r.callHelp(ctx)
		if !more {
			_ = clock.Sleep(ctx, pace(n, time.Since(began)))
		}
		r.awaitNews(ctx)
	}
	return nil
}

// idle returns how long to stay awake without work: what is published is the
// leader's, so the others are needed only while they find something.
func (r *run) idle() time.Duration {
	if r.leads.Load() {
		return r.Idle
	}
	return min(r.Idle, IdleAtLeast)
}

// pace returns how long to gather more after a claim of n that took so long.
// The more came at once, the more is worth waiting for, because small claims
// cost as much as large ones. The square makes a busy dispatcher settle at
// gatherAtMost, and one that finds single deliveries at a millisecond.
func pace(n int, took time.Duration) time.Duration {
	return min(max(took, time.Duration(n*n)*time.Millisecond), gatherAtMost)
}

// callHelp wakes another dispatcher after a second in which more was due than
// this one has places for, and again after each further second, until as many are
// awake as the database's share. They go back to sleep when they find nothing.
func (r *run) callHelp(ctx context.Context) {
	switch {
	case r.complete.Load(), !r.lanes.full(r.leads.Load(), time.Now()):
		r.fullSince = time.Time{}
	case r.fullSince.IsZero():
		r.fullSince = time.Now()
	case time.Since(r.fullSince) > time.Second:
		r.fullSince = time.Now()
		if err := r.Waker.CallHelp(ctx); err != nil {
			r.warn(ctx, "no other dispatcher could be woken", err)
		}
	}
}

// awaitNews returns when a publisher has told, when a place is free for an
// endpoint that waits for one, or after lookEvery.
func (r *run) awaitNews(ctx context.Context) {
	t := time.NewTimer(r.lookEvery)
	defer t.Stop()
	for !r.lanes.waiting() {
		select {
		case <-ctx.Done():
			return
		case <-r.told:
			return
		case <-t.C:
			return
		case <-r.lanes.left:
		}
	}
}

// hasTime reports whether a delivery claimed now would be recorded before ctx ends.
func (r *run) hasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > leaseFor+2*time.Second)
}

// claim leases up to limit deliveries of the endpoints whose turn it is and
// starts sending them. It reports whether there may be more at once.
func (r *run) claim(ctx context.Context, limit int) (n int, more bool, err error) {
	if err := r.look(ctx); err != nil {
		return 0, false, err
	}
	turns := r.lanes.pick(limit)
	if len(turns) == 0 {
		return 0, false, nil
	}
	claims, err := r.take(ctx, turns)
	if err != nil {
		for _, t := range turns {
			r.lanes.add(t.endpointKey)
		}
		return 0, false, err
	}
	more = r.lanes.claimed(turns, claims, time.Now())
	if len(claims) == 0 {
		return 0, false, nil
	}
	err = load(ctx, r.DB, r.Box, claims)
	if err != nil {
		r.warn(ctx, "claimed deliveries could not be loaded", err)
	} else if err := holdUnopened(ctx, r.DB, claims); err != nil {
		r.warn(ctx, "endpoints that cannot be opened could not be held", err)
	}
	for _, c := range claims {
		if err != nil {
			r.finish(Result{Claim: c, Status: Pending, Wait: time.Second})
			continue
		}
		r.senders.Go(func() { r.finish(r.send(ctx, c)) })
	}
	return len(claims), more, nil
}

func (r *run) take(ctx context.Context, turns []turn) ([]Claim, error) {
	if err := r.Waker.Due.Lower(ctx, r.Clock.Now()); err != nil {
		return nil, err
	}
	return claimDue(ctx, r.DB, turns, leaseFor)
}

// look asks Postgres who has something due, unless that was asked a moment ago:
// it takes a tenth of the time at most, however many endpoints have backlogs.
func (r *run) look(ctx context.Context) error {
	if !r.lookNow.Swap(false) && time.Since(r.looked) < max(r.lookEvery, 10*r.lookTook) {
		return nil
	}
	began := time.Now()
	var since time.Duration
	if !r.leads.Load() {
		since = leftFor
	}
	keys, err := findDue(ctx, r.DB, since)
	if err != nil {
		return err
	}
	r.lanes.add(keys...)
	r.looked, r.lookTook = time.Now(), time.Since(began)
	return nil
}

// send makes one try and puts a failed one on its endpoint's schedule.
func (r *run) send(ctx context.Context, c Claim) Result {
	if c.Endpoint == nil || len(c.Payload) == 0 || c.EventID.Before(c.Endpoint.DroppedBefore) {
		// Deleted since the publish, or dropped: given up without a try.
		return Result{Claim: c, Status: Failed}
	}
	if c.Unopened != nil {
		return Result{Claim: c, Status: Pending, Wait: unopenedWait}
	}
	return reschedule(r.Sender.Send(ctx, c), r.Random())
}

// finish hands a result to record. The place is free only then, so results
// that Postgres does not take hold back new claims.
func (r *run) finish(result Result) {
	result.Payload = nil // large, and of no use any more
	r.results <- result
	r.lanes.leave(endpointKey{result.Org, result.EndpointID}, result.Latency, time.Now())
}

func (r *run) warn(ctx context.Context, message string, err error) {
	r.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}
