package claim

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

const (
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

// Dispatcher says how the dispatchers of a queue work. Run runs one.
type Dispatcher struct {
	DB    *pg.Worker
	Waker *Waker // for the same database as DB
	Clock *clock.Clock
	Log   *observe.Log
	// Lease is how long work stays leased, unless the queue renews it. It covers the
	// recording of results. A dispatcher stops claiming when less time than that, and
	// two seconds, is left until its own end.
	Lease time.Duration
	// Batch is how much work one statement claims or records at most; 0: 100.
	Batch int
	// Concurrency is the number of slots: how much work is in flight at most. One lane
	// gets half of them, so a claim from one lane is full only with two batches of slots.
	Concurrency int
	// Share is how many dispatchers may be awake for this database, so that the
	// function's concurrency is not used up for one database; 0: any number.
	Share int
	// Idle is how long to stay awake without work.
	Idle time.Duration
	// LookEvery is how often the leader looks without a notification; 0: each
	// second.
	LookEvery time.Duration
	// ListenFor is how long one session listens; 0: pg.SessionLife.
	ListenFor time.Duration
}

// run is the state of a dispatcher from waking up until it sleeps.
type run[K Key, W Work[K], R Result[K]] struct {
	*Dispatcher
	queue   Queue[K, W, R]
	id      uuid.UUID
	lanes   *lanes[K]
	results chan R
	apart   *apart[K, R]
	work    chan W // for goroutines without work
	workers sync.WaitGroup
	leased  []Leased[K] // of the last claim
	// recorded counts the batches whose recording has ended.
	recorded atomic.Int64

	// leads: this dispatcher is the leader, which takes new work at once.
	// The helpers take what it leaves, and sleep when it leaves nothing.
	leads atomic.Bool
	// shareUsed: as many dispatchers are awake as the database's share. surplus:
	// that many older ones have been awake for longer than the row of a dead
	// dispatcher counts, so this one is not needed.
	shareUsed, surplus atomic.Bool
	surplusSince       time.Time // zero: fewer older ones are awake; used by keepAwake only

	told     chan struct{} // there was a notification since the last claim
	lookNow  atomic.Bool   // a notification named no lanes
	looked   time.Time     // when the queue's Look was last called
	lookTook time.Duration
	retries  retries // when work becomes due, as far as known
	keptBack bool    // a limit, a breaker or a lock may have kept work back

	// unnotified: nobody notifies this dispatcher, because it looks all the time.
	// claimed is the average size of the last claims.
	unnotified bool
	claimed    float64

	fullSince            time.Time     // since when it does not keep up; zero: it does
	fallsBehind          bool          // the age of what is due grows
	oldest, oldestBefore time.Duration // the greatest age of claimed work in this second and in the one before
	judged               time.Time
}

// Run runs a dispatcher of a queue until nothing was due for Idle, or until the
// time left before ctx's deadline is too short for more; then a successor takes
// what is due. When Run returns, the results of all its claims are recorded.
func Run[K Key, W Work[K], R Result[K]](ctx context.Context, d *Dispatcher, queue Queue[K, W, R]) error {
	r := newRun(d, queue)
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
	// We hand over before the last work ends, because it may take long, and a
	// publisher must not rely on this dispatcher in that time.
	recorded := r.recorded.Load()
	handed, failed := r.handOver(ctx, err == nil)
	close(r.work)
	r.workers.Wait()
	close(r.results)
	recorder.Wait()
	if err == nil && (!handed || recorded != r.recorded.Load()) {
		failed = errors.Join(failed, r.passOn(ctx))
	}
	return errors.Join(err, failed)
}

func newRun[K Key, W Work[K], R Result[K]](d *Dispatcher, queue Queue[K, W, R]) *run[K, W, R] {
	return &run[K, W, R]{
		Dispatcher: d, queue: queue, id: id.V7(time.Now()), lanes: newLanes[K](d.Concurrency),
		work: make(chan W), results: make(chan R, d.Concurrency), told: make(chan struct{}, 1),
	}
}

// Record records results that did not come from Run, such as those of work that was
// handed over, as a dispatcher does. It returns when they are recorded, or when it
// has given up and logged it.
func Record[K Key, W Work[K], R Result[K]](ctx context.Context, d *Dispatcher, queue Queue[K, W, R], results []R) {
	r := newRun(d, queue)
	r.results = make(chan R, len(results))
	for _, result := range results {
		r.results <- result
	}
	close(r.results)
	r.record(ctx)
}

func (d *Dispatcher) batch() int { return cmp.Or(d.Batch, 100) }

func (d *Dispatcher) lookEvery() time.Duration { return cmp.Or(d.LookEvery, lookAtMost) }

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
func (r *run[K, W, R]) keepAwake(ctx context.Context, stop <-chan struct{}) {
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

func (r *run[K, W, R]) renew(ctx context.Context) error {
	others, older, err := stayAwake(ctx, r.DB, r.Waker.Queue, r.id)
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
func (r *run[K, W, R]) handOver(ctx context.Context, works bool) (handed bool, err error) {
	err = keepTrying(ctx, func() error { return giveUpRow(ctx, r.DB, r.id) })
	if err != nil || !works {
		return false, err
	}
	err = keepTrying(ctx, func() error {
		next, err := r.queue.Next(ctx)
		if err != nil || !next.Due {
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

// passOn looks for work that the last results have made due, such as the next of an
// ordering key, and for what becomes due before the next sweep, such as a first
// retry that comes soon. It sends a nudge that arrives when the work is due.
func (r *run[K, W, R]) passOn(ctx context.Context) error {
	return keepTrying(ctx, func() error {
		next, err := r.queue.Next(ctx)
		switch until := -next.Age; {
		case err != nil || next.At.IsZero() || until > sweepEvery:
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
// and will itself hand over. If the work is overdue, that dispatcher is dead or
// overloaded, so the answer is no. A surplus dispatcher answers yes all the same:
// it must not wake more.
func (r *run[K, W, R]) isLeftToOthers(ctx context.Context, n Next) (bool, error) {
	awake, err := isAwake(ctx, r.DB, r.Waker.Queue)
	return awake && (n.Age < overdue || r.surplus.Load()), err
}
