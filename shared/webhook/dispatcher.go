package webhook

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/secret"
)

const (
	// leaseFor covers the longest request and the recording of its result. The dispatcher
	// claims nothing that it could not finish before its own end.
	leaseFor = MaxTimeout + 5*time.Second
	// batchSize is how many deliveries one statement claims or completes; it is
	// also how many values a metric of one log line may have.
	batchSize = 100
	// lookAtLeast is how often an awake dispatcher looks for endpoints that nobody
	// told it of: those whose retries have become due.
	lookAtLeast = 100 * time.Millisecond
	// leftFor is how long something must have been due until a dispatcher that
	// does not lead takes it.
	leftFor = 50 * time.Millisecond
	// gatherAtMost bounds how long a dispatcher under load waits for more before
	// it claims or records again: small batches cost as much as large ones.
	gatherAtMost = 10 * time.Millisecond
	// tryAgain is how long a dispatcher waits after what failed.
	tryAgain = 250 * time.Millisecond
	// IdleAtLeast is how long a dispatcher stays awake without work if it does not
	// lead. One that leads stays for its Idle, which should not be shorter.
	IdleAtLeast = time.Second
)

// Dispatcher claims due deliveries, sends them and records the results.
type Dispatcher struct {
	DB     *pg.Worker
	Box    *secret.Box
	Waker  *Waker // of DB
	Sender *Sender
	Clock  *clock.Clock
	Log    *observe.Log
	// Disabling is when an endpoint that only fails is disabled.
	Disabling Disabling
	// Publish publishes operational events of one organization in the transaction
	// that causes them, and returns the endpoints that have something due by it.
	Publish func(ctx context.Context, tx pg.Tx, org id.Org, notices []Notice, now time.Time) ([]id.WebhookEndpoint, error)
	// Concurrency is how many requests are in flight at most.
	Concurrency int
	// Share is how many dispatchers may be awake for this database, so that those of
	// another find a place; 0: any number.
	Share int
	// Idle is how long to stay awake without work.
	Idle time.Duration
	// Random is the jitter's source, uniform in [0, 1); nil: math/rand/v2.
	Random func() float64

	lookEvery time.Duration // 0: lookAtLeast
	listenFor time.Duration // 0: pg.SessionLife
}

// run is one stretch of being awake.
type run struct {
	*Dispatcher
	id      uuid.UUID
	lanes   *lanes
	results chan Result
	apart   *apart
	senders sync.WaitGroup
	// recorded counts the batches whose recording has ended.
	recorded atomic.Int64

	// leads: of several that are awake one takes what is published at once. The
	// others help with what it leaves, and sleep when that is nothing.
	leads atomic.Bool
	// complete: as many are awake as the database's share. surplus: that many elder
	// ones have been for longer than a dead one's row lasts.
	complete, surplus atomic.Bool
	surplusSince      time.Time // zero: fewer elder ones are awake; keepAwake's own

	told     chan struct{} // somebody published since the last claim
	lookNow  atomic.Bool   // somebody published to more endpoints than a notification names
	looked   time.Time     // when findDue was last asked
	lookTook time.Duration

	fullSince time.Time // zero: there are places for what is due
}

// Run dispatches until nothing was due for Idle, or until ctx's deadline comes
// too near for another request; then it leaves what is due to a successor. All
// that it claimed is recorded when it returns.
func (d *Dispatcher) Run(ctx context.Context) error {
	r := d.newRun()
	if err := insist(ctx, func() error { return r.renew(ctx) }); err != nil {
		return err
	}
	awake, fallAsleep := context.WithCancel(ctx)
	var helpers, recorder sync.WaitGroup
	helpers.Go(func() { r.keepAwake(ctx, awake.Done()) })
	helpers.Go(func() { r.listen(awake) })
	recorder.Go(func() { r.record(ctx) })
	err := r.dispatch(ctx)
	fallAsleep()
	helpers.Wait()
	// Before the last requests end, which may take as long as a receiver likes:
	// whoever publishes meanwhile must not rely on this dispatcher.
	recorded := r.recorded.Load()
	handed, failed := r.handOver(ctx, err == nil)
	r.senders.Wait()
	close(r.results)
	recorder.Wait()
	if err == nil && (!handed || recorded != r.recorded.Load()) {
		failed = errors.Join(failed, r.passOn(ctx))
	}
	return errors.Join(err, failed)
}

func (d *Dispatcher) newRun() *run {
	if d.Random == nil {
		d.Random = rand.Float64
	}
	d.lookEvery = cmp.Or(d.lookEvery, lookAtLeast)
	d.listenFor = cmp.Or(d.listenFor, pg.SessionLife)
	return &run{
		Dispatcher: d, id: id.V7(time.Now()), lanes: newLanes(d.Concurrency),
		results: make(chan Result, d.Concurrency), told: make(chan struct{}, 1),
	}
}

// patience is how long a dispatcher tries what fails again and again.
const patience = 10 * time.Second

// insist does what may fail in passing until it succeeds or patience ends.
func insist(ctx context.Context, do func() error) error {
	for giveUp := time.Now().Add(patience); ; _ = clock.Sleep(ctx, tryAgain) {
		if err := do(); err == nil || ctx.Err() != nil || time.Now().After(giveUp) {
			return err
		}
	}
}

// keepAwake renews the row until told to stop. A failed renewal only means
// more nudges. None is broken off: one that took effect after handOver has
// deleted the row would make publishers rely on nobody.
func (r *run) keepAwake(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if err := r.renew(ctx); err != nil && ctx.Err() == nil {
				r.warn(ctx, "the dispatcher could not renew its row", err)
			}
		}
	}
}

func (r *run) renew(ctx context.Context) error {
	others, elder, err := stayAwake(ctx, r.DB, r.id)
	if err != nil {
		return err
	}
	r.leads.Store(elder == 0)
	r.complete.Store(r.Share > 0 && others+1 >= r.Share)
	switch {
	case r.Share == 0 || elder < r.Share:
		r.surplusSince = time.Time{}
	case r.surplusSince.IsZero():
		r.surplusSince = time.Now()
	}
	r.surplus.Store(!r.surplusSince.IsZero() && time.Since(r.surplusSince) > awakeFor)
	return nil
}

// handOver deletes the row, then looks once more and nudges a successor if
// anything is due that nobody else who is awake will take, which it reports. A dispatcher that fails nudges none: a
// successor would fail as well, and the sweep wakes the next.
func (r *run) handOver(ctx context.Context, works bool) (handed bool, err error) {
	err = insist(ctx, func() error { return giveUpRow(ctx, r.DB, r.id) })
	if err != nil || !works {
		return false, err
	}
	err = insist(ctx, func() error {
		next, err := nextDue(ctx, r.DB)
		if err != nil || !next.due {
			return err
		}
		if left, err := r.isLeftToOthers(ctx, next); err != nil || left {
			return err
		}
		handed = true
		return r.Waker.Wake(ctx)
	})
	return handed && err == nil, err
}

// passOn looks for what the last results have made due, such as the next of an
// ordering key, and for what is due before the next sweep, such as the first
// retry of a fast policy: that gets a nudge that arrives when it is.
func (r *run) passOn(ctx context.Context) error {
	return insist(ctx, func() error {
		next, err := nextDue(ctx, r.DB)
		switch until := -next.age; {
		case err != nil || next.at.IsZero() || until > sweepEvery:
			return err
		default:
			if left, err := r.isLeftToOthers(ctx, next); err != nil || left {
				return err
			}
			return r.Waker.WakeAfter(ctx, max(until, 0))
		}
	})
}

// isLeftToOthers reports whether another dispatcher is awake, which takes what
// is due and hands over, too. One that leaves it lying is dead, or has more than
// it can send; but whoever is surplus wakes nobody for that.
func (r *run) isLeftToOthers(ctx context.Context, n next) (bool, error) {
	awake, err := isAwake(ctx, r.DB)
	return awake && (n.age < overdue || r.surplus.Load()), err
}
