package webhook

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/clock"
	"portico/shared/pg"
)

// dispatch claims and sends until the dispatcher is idle, surplus or short of
// time, or until claims have failed for longer than patience with an error that
// is not transient.
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
			r.warn(ctx, "due deliveries could not be claimed", err)
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

// idle returns how long to stay awake without work. New events go to the leader,
// so the others are needed only while they find something due.
func (r *run) idle() time.Duration {
	if r.leads.Load() {
		return r.Idle
	}
	return min(r.Idle, IdleAtLeast)
}

// pace returns how long to wait before the next claim, after a claim of n
// deliveries that took `took`. The more deliveries one claim finds, the longer it
// pays to wait for more, because a small claim costs as much as a large one. n
// squared milliseconds means gatherAtMost for a busy dispatcher, and 1 ms for one
// that finds single deliveries.
func pace(n int, took time.Duration) time.Duration {
	return min(max(took, time.Duration(n*n)*time.Millisecond), gatherAtMost)
}

// awaitWork returns when a publisher has notified this dispatcher, when a slot is
// free for an endpoint that waits for one, when it is time to look, or when the
// dispatcher may be idle.
func (r *run) awaitWork(ctx context.Context, busy time.Time) {
	idle := time.Until(busy.Add(r.idle()))
	if idle <= 0 {
		idle = r.lookEvery // requests are in flight
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

// hasTime reports whether a delivery claimed now can be sent and recorded before
// ctx ends.
func (r *run) hasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > leaseFor+2*time.Second)
}

// claim leases up to limit deliveries of the endpoints that lanes.pick returns
// and starts to send them. It reports whether more may be due now.
func (r *run) claim(ctx context.Context, limit int) (n int, more bool, err error) {
	if err := r.look(ctx); err != nil {
		return 0, false, err
	}
	turns := r.lanes.pick(limit)
	if len(turns) == 0 {
		r.judgeAge(nil)
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
	r.judgeClaim(turns, claims)
	if len(claims) == 0 {
		return 0, false, nil
	}
	err = r.targets.aim(ctx, r.DB, r.Box, claims, r.Clock.Now())
	if err != nil {
		r.warn(ctx, "the endpoints of claimed deliveries could not be loaded", err)
	} else if err := holdUnopened(ctx, r.DB, claims); err != nil {
		r.warn(ctx, "the breaker could not be opened for endpoints whose sealed values cannot be opened", err)
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

// send makes one try. If it fails, the endpoint's schedule sets the next one.
func (r *run) send(ctx context.Context, c Claim) Result {
	if c.Endpoint == nil || len(c.Payload) == 0 || c.EventID.Before(c.Endpoint.DroppedBefore) {
		// The endpoint or the event is deleted, or the delivery was dropped: it
		// fails without a try.
		return Result{Claim: c, Status: Failed}
	}
	if c.Unopened != nil {
		return Result{Claim: c, Status: Pending, Wait: unopenedWait}
	}
	return reschedule(resultOf(c, r.Sender.Send(ctx, tryOf(c))), r.Random())
}

// finish passes a result to record, and frees the slot only then: while Postgres
// cannot record results, nothing new is claimed.
func (r *run) finish(result Result) {
	result.Payload = nil // large, and no longer needed
	r.results <- result
	var took time.Duration
	if result.StatusCode != 0 {
		took = result.Latency
	}
	r.lanes.leave(endpointKey{result.Org, result.EndpointID}, took)
}

func (r *run) warn(ctx context.Context, message string, err error) {
	r.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}
