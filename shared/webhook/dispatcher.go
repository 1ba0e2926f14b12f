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
	"portico/shared/webhook/sending"
)

const (
	// leaseFor covers the longest request and the recording of its result. A
	// dispatcher stops claiming when less time than that is left until its own
	// end.
	leaseFor = sending.MaxTimeout + 5*time.Second
	// batchSize is how many deliveries one statement claims or completes at most.
	// It is also the largest number of values that a metric of one log line may
	// have.
	batchSize = 100
	// gatherAtMost bounds how long a dispatcher under load waits for a larger
	// batch before it claims or records again: a small batch costs as much as a
	// large one.
	gatherAtMost = 10 * time.Millisecond
	// tryAgain is how long a dispatcher waits after an error.
	tryAgain = 250 * time.Millisecond
	// IdleAtLeast is how long a helper stays awake without work. The leader stays
	// awake for Idle, which should not be shorter.
	IdleAtLeast = time.Second
)

// Dispatcher claims due deliveries, sends them and records the results.
type Dispatcher struct {
	DB     *pg.Worker
	Box    *secret.Box
	Waker  *Waker // for the same database as DB
	Sender *sending.Sender
	Clock  *clock.Clock
	Log    *observe.Log
	// Disabling says when an endpoint is disabled because all its tries fail.
	Disabling Disabling
	// Publish publishes operational events of one organization in the transaction
	// that causes them. It returns the endpoints that get a due delivery.
	Publish func(ctx context.Context, tx pg.Tx, org id.Org, notices []Notice, now time.Time) ([]id.WebhookEndpoint, error)
	// Concurrency is the number of slots: how many requests are in flight at
	// most.
	Concurrency int
	// Share is how many dispatchers may be awake for this database, so that the
	// function's concurrency is not used up for one database; 0: any number.
	Share int
	// Idle is how long to stay awake without work.
	Idle time.Duration
	// Random is the source of jitter, uniform in [0, 1); nil: math/rand/v2.
	Random func() float64

	targets   targets
	lookEvery time.Duration // 0: lookAtMost
	listenFor time.Duration // 0: pg.SessionLife
}

// run is the state of a dispatcher from waking up until it sleeps.
type run struct {
	*Dispatcher
	id      uuid.UUID
	lanes   *lanes
	results chan Result
	apart   *apart
	senders sync.WaitGroup
	// recorded counts the batches whose recording has ended.
	recorded atomic.Int64

	// leads: this dispatcher is the leader, which takes new deliveries at once.
	// The helpers take what it leaves, and sleep when it leaves nothing.
	leads atomic.Bool
	// shareUsed: as many dispatchers are awake as the database's share. surplus:
	// that many older ones have been awake for longer than the row of a dead
	// dispatcher counts, so this one is not needed.
	shareUsed, surplus atomic.Bool
	surplusSince       time.Time // zero: fewer older ones are awake; used by keepAwake only

	told     chan struct{} // a publisher has notified us since the last claim
	lookNow  atomic.Bool   // an event got more deliveries than a notification can name endpoints
	looked   time.Time     // when findDue was last called
	lookTook time.Duration
	retries  retries // when deliveries become due, as far as known
	keptBack bool    // a rate limit, a breaker or a lock may have kept deliveries back

	// unnotified: publishers do not notify this dispatcher, because it looks all the
	// time. claimed is the average number of deliveries of the last claims.
	unnotified bool
	claimed    float64

	fullSince            time.Time     // since when it does not keep up; zero: it does
	fallsBehind          bool          // the age of what is due grows
	oldest, oldestBefore time.Duration // the greatest age of a claimed delivery in this second and in the one before
	judged               time.Time
}

// Run dispatches until nothing was due for Idle, or until the time left before
// ctx's deadline is too short for another request; then a successor takes what is
// due. When Run returns, the results of all its claims are recorded.
func (d *Dispatcher) Run(ctx context.Context) error {
	r := d.newRun()
	if err := keepTrying(ctx, func() error { return r.renew(ctx) }); err != nil {
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
	// We hand over before the last requests end, because a receiver may take long
	// to answer, and a publisher must not rely on this dispatcher in that time.
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
	if d.targets.kept == nil {
		d.targets = newTargets()
	}
	d.lookEvery = cmp.Or(d.lookEvery, lookAtMost)
	d.listenFor = cmp.Or(d.listenFor, pg.SessionLife)
	return &run{
		Dispatcher: d, id: id.V7(time.Now()), lanes: newLanes(d.Concurrency),
		results: make(chan Result, d.Concurrency), told: make(chan struct{}, 1),
	}
}

// patience is how long a dispatcher repeats a step that fails.
const patience = 10 * time.Second

// keepTrying repeats a step until it succeeds or patience has passed.
func keepTrying(ctx context.Context, do func() error) error {
	for giveUp := time.Now().Add(patience); ; _ = clock.Sleep(ctx, tryAgain) {
		if err := do(); err == nil || ctx.Err() != nil || time.Now().After(giveUp) {
			return err
		}
	}
}

// keepAwake renews the row until stop is closed. If a renewal fails, publishers
// send more nudges than needed, no more. A renewal is never cancelled halfway: if
// it took effect after handOver has deleted the row, publishers would rely on a
// dispatcher that is gone.
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
	others, older, err := stayAwake(ctx, r.DB, r.id)
	if err != nil {
		return err
	}
	r.leads.Store(older == 0)
	r.shareUsed.Store(r.Share > 0 && others+1 >= r.Share)
	switch {
	case r.Share == 0 || older < r.Share:
		r.surplusSince = time.Time{}
	case r.surplusSince.IsZero():
		r.surplusSince = time.Now()
	}
	r.surplus.Store(!r.surplusSince.IsZero() && time.Since(r.surplusSince) > awakeFor)
	return nil
}

// handOver deletes the row, then looks once more. If something is due that no
// other awake dispatcher will take, it nudges a successor and returns true. A
// dispatcher that failed nudges nobody: a successor would fail as well, and the
// sweep wakes the next one.
func (r *run) handOver(ctx context.Context, works bool) (handed bool, err error) {
	err = keepTrying(ctx, func() error { return giveUpRow(ctx, r.DB, r.id) })
	if err != nil || !works {
		return false, err
	}
	err = keepTrying(ctx, func() error {
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

// passOn looks for deliveries that the last results have made due, such as the
// next of an ordering key, and for those that become due before the next sweep,
// such as the first retry of a fast policy. It sends a nudge that arrives when
// the delivery is due.
func (r *run) passOn(ctx context.Context) error {
	return keepTrying(ctx, func() error {
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

// isLeftToOthers reports whether another awake dispatcher will take what is due,
// and will itself hand over. If a delivery is overdue, that dispatcher is dead or
// overloaded, so the answer is no. A surplus dispatcher answers yes all the same:
// it must not wake more.
func (r *run) isLeftToOthers(ctx context.Context, n next) (bool, error) {
	awake, err := isAwake(ctx, r.DB)
	return awake && (n.age < overdue || r.surplus.Load()), err
}
