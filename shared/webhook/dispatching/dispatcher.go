// Package dispatching is the queue of webhook deliveries: it claims those that are
// due, sends them, and records what became of them, with its consequences for the
// endpoint and for the deliveries that wait behind.
package dispatching

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/statistics"
)

// leaseFor covers the longest request and the recording of its result.
const leaseFor = sending.MaxTimeout + 5*time.Second

// Dispatcher claims due deliveries, sends them and records the results.
type Dispatcher struct {
	claim.Dispatcher // Run sets Lease
	Box              *secret.Box
	Sender           *sending.Sender
	// Disabling says when an endpoint is disabled because all its tries fail.
	Disabling Disabling
	// Publish publishes operational events of one organization in the transaction
	// that causes them. It returns the endpoints that get a due delivery.
	Publish func(ctx context.Context, tx pg.Tx, org id.Org, notices []webhook.Notice, now time.Time) ([]id.WebhookEndpoint, error)
	// Random is the source of jitter, uniform in [0, 1); nil: math/rand/v2.
	Random func() float64

	targets targets
	counts  statistics.Counts
}

// Run dispatches until nothing is due, see claim.Run.
func (d *Dispatcher) Run(ctx context.Context) error {
	return claim.Run(ctx, &d.Dispatcher, d.queue())
}

func (d *Dispatcher) queue() deliveries {
	d.Lease = leaseFor
	if d.Random == nil {
		d.Random = rand.Float64
	}
	if d.targets.kept == nil {
		d.targets = newTargets()
	}
	return deliveries{d}
}

// Swept returns the queue of deliveries as a sweep needs it.
func Swept(db *pg.Worker, waker *claim.Waker) claim.Swept {
	return claim.Swept{
		Waker: waker, OldestDueAge: "OldestDueAge",
		Next: func(ctx context.Context) (claim.Next, error) { return nextDue(ctx, db) },
	}
}

// deliveries is the queue whose lanes are endpoints.
type deliveries struct{ *Dispatcher }

// Look returns the endpoints that have something due.
func (q deliveries) Look(ctx context.Context, since time.Duration) ([]webhook.Lane, time.Duration, error) {
	return findDue(ctx, q.DB, since)
}

// Claim leases due deliveries and loads their endpoints.
func (q deliveries) Claim(ctx context.Context, turns []claim.Turn[webhook.Lane]) ([]Claim, error) {
	claims, err := claimDue(ctx, q.DB, turns, leaseFor)
	switch {
	case len(claims) == 0:
		return nil, err
	case err != nil:
		q.warn(ctx, "nothing was claimed from endpoints with a rate limit or an open breaker", err)
	}
	if err := q.targets.aim(ctx, q.DB, q.Box, claims, q.Clock.Now()); err != nil {
		q.warn(ctx, "the endpoints of claimed deliveries could not be loaded", err)
		return unloaded(claims), nil
	}
	if err := holdUnopened(ctx, q.DB, claims); err != nil {
		q.warn(ctx, "the breaker could not be opened for endpoints whose sealed values cannot be opened", err)
		return unloaded(claims), nil
	}
	return claims, nil
}

func unloaded(claims []Claim) []Claim {
	for i := range claims {
		claims[i].unloaded = true
	}
	return claims
}

// Do makes one try. If it fails, the endpoint's schedule sets the next one.
func (q deliveries) Do(ctx context.Context, c Claim) Result {
	result := q.send(ctx, c)
	result.Payload = nil // large, and no longer needed
	return result
}

func (q deliveries) send(ctx context.Context, c Claim) Result {
	if c.unloaded {
		return Result{Claim: c, Status: webhook.Pending, Wait: time.Second}
	}
	if c.Endpoint == nil || len(c.Payload) == 0 || c.isDropped() {
		// The endpoint or the event is deleted, or the delivery was dropped: it
		// fails without a try.
		return Result{Claim: c, Status: webhook.Failed}
	}
	if c.expiresBy(q.Clock.Now()) {
		return Result{Claim: c, Status: webhook.Failed, Expired: true}
	}
	if c.Unopened != nil {
		return Result{Claim: c, Status: webhook.Pending, Wait: unopenedWait}
	}
	return reschedule(resultOf(c, q.Sender.Send(ctx, tryOf(c))), q.Random())
}

// Record writes a batch with its consequences, and logs it.
func (q deliveries) Record(ctx context.Context, batch []Result, limits claim.Limits) (due []webhook.Lane, err error) {
	s, err := q.settle(ctx, batch, limits)
	if err != nil {
		return nil, err
	}
	q.count(ctx, s.written)
	q.report(ctx, len(batch)-len(s.written), s)
	return s.due, nil
}

// Heard returns the endpoints that a publisher has named.
func (q deliveries) Heard(payload string) ([]webhook.Lane, bool) {
	return webhook.DecodeNotification(payload)
}

// Next says when the earliest pending delivery may be claimed.
func (q deliveries) Next(ctx context.Context) (claim.Next, error) {
	q.saveCounts(ctx, 0) // the dispatcher may be about to sleep
	return nextDue(ctx, q.DB)
}

func (d *Dispatcher) warn(ctx context.Context, message string, err error) {
	d.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}
