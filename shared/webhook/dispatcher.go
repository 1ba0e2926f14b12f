package webhook

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/secret"
)

const (
	// leaseFor covers a request and the recording of its result. The dispatcher
	// claims nothing that it could not finish before its own end.
	leaseFor = RequestTimeout + 5*time.Second
	// batchSize is how many deliveries one statement claims or completes; it is
	// also how many values a metric of one log line may have.
	batchSize = 100
	// minClaim is how many free places are worth a claim while more may be due.
	minClaim = 32
	// lookAtLeast is how often an awake dispatcher looks although nobody told it
	// anything: for retries that have become due.
	lookAtLeast = 100 * time.Millisecond
	// gatherAtMost bounds how long a dispatcher under load waits for more before
	// it claims or records again: small batches cost as much as large ones.
	gatherAtMost = 10 * time.Millisecond
)

// Dispatcher claims due deliveries, sends them and records the results.
type Dispatcher struct {
	DB     *pg.Worker
	Box    *secret.Box
	Due    *Due
	Nudge  *queue.Sender
	Sender *Sender
	Clock  *clock.Clock
	Log    *observe.Log
	// Concurrency is how many requests are in flight at most.
	Concurrency int
	// Idle is how long to stay awake without work.
	Idle time.Duration
	// Schedule is how long to wait after each failed try.
	Schedule Schedule
	// Random is the jitter's source, uniform in [0, 1); nil: math/rand/v2.
	Random func() float64

	lookEvery time.Duration // 0: lookAtLeast
}

// run is one stretch of being awake.
type run struct {
	*Dispatcher
	id      uuid.UUID
	room    room
	results chan Result
	told    chan struct{} // somebody published since the last claim
	senders sync.WaitGroup
}

// Run dispatches until nothing was due for Idle, or until ctx's deadline comes
// too near for another request; then it leaves what is due to a successor. All
// that it claimed is recorded when it returns.
func (d *Dispatcher) Run(ctx context.Context) error {
	if d.Random == nil {
		d.Random = rand.Float64
	}
	d.lookEvery = cmp.Or(d.lookEvery, lookAtLeast)
	r := &run{
		Dispatcher: d, id: uuid.New(), room: newRoom(d.Concurrency),
		results: make(chan Result, d.Concurrency), told: make(chan struct{}, 1),
	}
	if err := stayAwake(ctx, d.DB, r.id); err != nil {
		return err
	}
	awake, fallAsleep := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { r.keepAwake(awake) })
	helpers.Go(func() { r.listen(awake) })
	helpers.Go(func() { r.record(ctx) })
	err := r.dispatch(ctx)
	r.senders.Wait()
	close(r.results)
	fallAsleep()
	helpers.Wait()
	if err != nil {
		return err
	}
	return r.handOver(ctx)
}

// keepAwake renews the row until told to stop. A failed renewal only means
// more nudges.
func (r *run) keepAwake(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := stayAwake(ctx, r.DB, r.id); err != nil && ctx.Err() == nil {
				r.warn(ctx, "the dispatcher could not renew its row", err)
			}
		}
	}
}

// handOver deletes the row, looks once more and nudges a successor if anything
// is due: this dispatcher is done.
func (r *run) handOver(ctx context.Context) error {
	if err := giveUpRow(ctx, r.DB, r.id); err != nil {
		return err
	}
	next, err := nextDue(ctx, r.DB)
	if err != nil || !next.due {
		return err
	}
	return r.Nudge.Send(ctx, nudgeBody)
}

// dispatch claims and sends until it is idle or short of time.
func (r *run) dispatch(ctx context.Context) error {
	busy := time.Now()
	for r.hasTime(ctx) {
		limit := min(r.room.wait(ctx, minClaim), batchSize)
		if limit == 0 {
			continue
		}
		n, err := r.claim(ctx, limit)
		switch {
		case err != nil && !pg.IsTransient(err):
			return err
		case err != nil:
			r.warn(ctx, "nothing could be claimed", err)
			pause(ctx, 250*time.Millisecond)
			continue
		case n > 0:
			busy = time.Now()
		case time.Since(busy) > r.Idle && r.room.empty():
			return nil
		}
		if n < limit {
			// The more came at once, the more is worth waiting for.
			pause(ctx, min(time.Duration(n)*time.Millisecond, gatherAtMost))
			r.awaitNews(ctx)
		}
	}
	return nil
}

// awaitNews returns when a publisher has told, or after lookEvery.
func (r *run) awaitNews(ctx context.Context) {
	t := time.NewTimer(r.lookEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-r.told:
	case <-t.C:
	}
}

// hasTime reports whether a delivery claimed now would be recorded before ctx ends.
func (r *run) hasTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > leaseFor+2*time.Second)
}

// claim leases up to limit deliveries and starts sending them.
func (r *run) claim(ctx context.Context, limit int) (int, error) {
	if err := r.Due.Lower(ctx, r.Clock.Now()); err != nil {
		return 0, err
	}
	claims, err := claimDue(ctx, r.DB, limit, leaseFor)
	if err != nil || len(claims) == 0 {
		return 0, err
	}
	err = load(ctx, r.DB, r.Box, claims)
	if err != nil {
		r.warn(ctx, "claimed deliveries could not be loaded", err)
	}
	for _, c := range claims {
		r.room.take()
		if err != nil {
			r.finish(Result{Claim: c, Status: Pending, Wait: time.Second})
			continue
		}
		r.senders.Go(func() { r.finish(r.send(ctx, c)) })
	}
	return len(claims), nil
}

// send makes one try and puts a failed one on the schedule.
func (r *run) send(ctx context.Context, c Claim) Result {
	if c.Endpoint == nil || len(c.Payload) == 0 {
		// Deleted since the publish: given up without a try.
		return Result{Claim: c, Status: Failed}
	}
	result := r.Sender.Send(ctx, c)
	if result.Status == Pending && result.Tried {
		wait, more := r.Schedule.Next(int(c.Attempts)+1, r.Random())
		if result.Wait = wait; !more {
			result.Status = Failed
		}
	}
	return result
}

// finish hands a result to record. The place is free only then, so results
// that Postgres does not take hold back new claims.
func (r *run) finish(result Result) {
	r.results <- result
	r.room.leave()
}

func (r *run) warn(ctx context.Context, message string, err error) {
	r.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
