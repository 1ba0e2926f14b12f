// Package claim is the engine that does the work of a queue: it wakes when
// something is due, takes turns among lanes, leases work, does it, records the
// results and goes back to sleep. It knows no queue; each one implements Queue.
//
// A queue's name is in four places: the column dispatcher.queue, the Postgres
// channel on which its dispatchers listen, the key of its due item (Due), and the
// Waker. A nudge has the database only: each queue has an SQS queue of its own.
package claim

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"portico/shared/id"
)

// Queue is a kind of work that is kept in Postgres. W is work that is leased to
// one dispatcher, and R is what became of it. Methods may be called at the same
// time: Do for each work in flight, Record from two goroutines (each with other
// organizations' results). All times are the database's, portico_now().
//
// Work is done at least once. The engine promises that it calls Do once for each
// work that Claim returned, and Record with the result until it succeeds or the
// lease has ended. The queue promises that Record writes only results whose lease
// is still the current one.
type Queue[K Key, W Work[K], R Result[K]] interface {
	// Look returns the lanes that have had something to claim for at least since,
	// and how long it takes until the next lane has; 0: none will, or it is not
	// known. It sees all that was committed before the call. It should leave out
	// lanes of which Claim would lease nothing now, because a claim that gets
	// nothing makes the dispatcher look every 100 ms. Its cost should grow with the
	// number of lanes, not with their backlogs.
	Look(ctx context.Context, since time.Duration) (lanes []K, soonest time.Duration, err error)

	// Claim leases what is due of the turns' lanes until Dispatcher.Lease from now,
	// the oldest of each lane first and never more than its room. It leases less
	// where a limit, a breaker or another dispatcher's lock forbids more. The due
	// item has been lowered to now. ctx has the invocation's deadline: what cannot
	// end before it must not be leased. If work was leased but cannot be prepared,
	// Claim returns it all the same and Do gives it back. An error means that
	// nothing was leased.
	Claim(ctx context.Context, turns []Turn[K]) ([]W, error)

	// Do does the work, each in a goroutine of its own, and returns what became of
	// it. It must return before ctx's deadline. What fails is a result, too. If Do
	// panics, the process ends.
	Do(ctx context.Context, work W) R

	// Record writes results, and returns the lanes that it gave something due. The
	// batch has results of several organizations, at most Dispatcher.Batch; those
	// with consequences and those without are mixed. After an error the engine records
	// the batch again, in the end each organization's results by themselves, and gives
	// up a single result that is always refused. Results that have lost their lease,
	// also by an earlier try to record them, are left out without an error. Record may
	// reorder the batch. The due item has been lowered to what the results say of the
	// next tries, and to now if one has consequences; so results of work that did not
	// run in Run are recorded with the function Record, never by this method alone.
	//
	// Results without consequences need one statement. For results with
	// consequences (see Ended.Consequences) it takes a transaction of its own in
	// which locks are taken in a fixed order. It waits for no lock longer than
	// limits.Lock, which fails with Postgres' lock timeout, and works on
	// consequences no longer than limits.Consequences, which fails with ErrSlow.
	Record(ctx context.Context, batch []R, limits Limits) (due []K, err error)

	// Heard decodes the payload that Tell sent with a notification. false: it names
	// no lanes, and the dispatcher looks.
	Heard(payload string) (lanes []K, ok bool)

	// Next says when the earliest work of the whole queue may be claimed. Work that
	// is leased counts when its lease ends, work that only waits for another one to
	// end does not count. It sees all that was committed before the call: the last
	// look before a dispatcher sleeps is this one. It may first move to the lanes
	// what has become due, such as jobs that were scheduled. The sweep calls it
	// too, see Swept.
	Next(ctx context.Context) (Next, error)
}

// Key names a lane: the work that takes turns with the work of other lanes, for
// example that of one endpoint.
type Key interface {
	comparable
	// Org is whose work it is; zero: the platform's own.
	Org() id.Org
}

// Turn is what a claim may take from one lane.
type Turn[K Key] struct {
	Lane K
	Room int // at least 1
}

// Work is what the engine asks of claimed work.
type Work[K Key] interface {
	Leased() Leased[K]
}

// Leased describes claimed work.
type Leased[K Key] struct {
	Lane K
	Due  time.Time // when it could be claimed first
	// Retried: it was tried before, so its age says nothing about dispatchers.
	Retried bool
	// Restricted: a limit or a breaker applies to the lane. The dispatcher looks
	// again soon, and the work's age says nothing about dispatchers.
	Restricted bool
}

// Result is what the engine asks of a result.
type Result[K Key] interface {
	Ended() Ended[K]
	// Name names the work in a log line, for example delivery=dlv_….
	Name() slog.Attr
}

// Ended describes a result.
type Ended[K Key] struct {
	Lane K
	// Took is how long the other side took to answer; 0: it did not answer. Lanes
	// that take over 100 ms get help from other dispatchers, those that do not answer
	// get none.
	Took time.Duration
	// Again: the work is tried again after Wait.
	Again bool
	Wait  time.Duration
	// Consequences: recording does more than to write this one row: it may make
	// other work due, publish, or lock what is shared. Such results are recorded
	// within 10 ms instead of 50.
	Consequences bool
}

// Next is when the earliest work may be claimed.
type Next struct {
	At  time.Time     // zero: there is none
	Due bool          // according to the database's clock
	Age time.Duration // how long it has been due; negative: the time until it is due
}

// Limits bounds how long one organization can delay the recording of a batch.
type Limits struct {
	Lock         time.Duration // wait for each lock, which the organization's requests may hold
	Consequences time.Duration // what else the organization can make slow, such as its filters
}

// ErrSlow is in the errors of Record that exceed Limits.Consequences.
var ErrSlow = errors.New("the consequences took too long")
