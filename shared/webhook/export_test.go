package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Unexported names that the tests in webhook_test use.
var (
	GiveUpRow  = giveUpRow
	NextDue    = nextDue
	Unnotified = saveUnnotified

	WaitFor    = waitFor
	EgressWait = egressWait
)

// KeepTargets gives a dispatcher the endpoints that another one has kept.
func KeepTargets(d, of *Dispatcher) {
	if of != nil {
		d.targets = of.targets
	}
}

// Load adds endpoints to claims that were made without a dispatcher.
func Load(ctx context.Context, db *pg.Worker, box *secret.Box, claims []Claim) error {
	return newTargets().aim(ctx, db, box, claims, time.Now())
}

const LeaseFor = leaseFor

// Complete records results and returns how many were discarded.
func Complete(ctx context.Context, db *pg.Worker, results []Result) (lost int, err error) {
	written, err := complete(ctx, db, results, time.Second)
	return len(results) - len(written), err
}

// StayAwake renews a dispatcher's row.
func StayAwake(ctx context.Context, db *pg.Worker, dispatcher uuid.UUID) error {
	_, _, err := stayAwake(ctx, db, dispatcher)
	return err
}

// CallHelp calls for help, as a dispatcher does that has had more due than slots
// for a second.
func CallHelp(ctx context.Context, d *Dispatcher) error {
	r := d.newRun()
	if err := r.renew(ctx); err != nil {
		return err
	}
	r.lanes = newLanes(0)
	r.lanes.add(endpointKey{})
	r.fullSince = time.Now().Add(-time.Minute)
	r.callHelp(ctx)
	return giveUpRow(ctx, r.DB, r.id)
}

// IsDue reports whether nextDue found something due.
func IsDue(n next) bool { return n.due }

// LookEvery changes how often a dispatcher looks without a notification.
func LookEvery(d *Dispatcher, every time.Duration) { d.lookEvery = every }

// FinishWithin changes how long a sweep tries to finish moves.
func FinishWithin(s *Sweeper, most time.Duration) { s.finishWithin = most }

// NudgedAt changes when a waker last nudged for a publish.
func NudgedAt(w *Waker, at time.Time) { w.nudged = at }

// ListenFor changes how long one session of a dispatcher listens.
func ListenFor(d *Dispatcher, most time.Duration) { d.listenFor = most }

// ClaimDue claims up to limit due deliveries of any endpoint.
func ClaimDue(ctx context.Context, db *pg.Worker, limit int, lease time.Duration) ([]Claim, error) {
	keys, _, err := findDue(ctx, db, 0)
	if err != nil {
		return nil, err
	}
	l := newLanes(2 * limit)
	l.add(keys...)
	return claimDue(ctx, db, l.pick(limit), lease)
}

// ClaimOf claims the due deliveries of an endpoint without asking first whether
// there are any.
func ClaimOf(ctx context.Context, db *pg.Worker, org id.Org, endpoint id.WebhookEndpoint) ([]Claim, error) {
	return claimDue(ctx, db, []turn{{endpointKey{org, endpoint}, 10}}, time.Second)
}

// Record records results that are ready at once, as a dispatcher does.
func Record(ctx context.Context, d *Dispatcher, results []Result) {
	r := &run{Dispatcher: d, lanes: newLanes(d.Concurrency), results: make(chan Result, len(results)), told: make(chan struct{}, 1)}
	for _, result := range results {
		r.results <- result
	}
	close(r.results)
	r.record(ctx)
}
