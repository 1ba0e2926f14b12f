package dispatching

import (
	"context"
	"time"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook"
)

// Unexported names that the tests in dispatching_test use.
var (
	NextDue = nextDue

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

// ClaimDue claims up to limit due deliveries of any endpoint.
func ClaimDue(ctx context.Context, db *pg.Worker, limit int, lease time.Duration) ([]Claim, error) {
	keys, _, err := findDue(ctx, db, 0)
	if err != nil {
		return nil, err
	}
	turns := make([]claim.Turn[webhook.Lane], 0, len(keys))
	for i, k := range keys[:min(len(keys), limit)] {
		room := max(1, limit/(len(keys)-i)) // an equal share of what is left
		limit -= room
		turns = append(turns, claim.Turn[webhook.Lane]{Lane: k, Room: room})
	}
	return claimDue(ctx, db, turns, lease)
}

// ClaimOf claims the due deliveries of an endpoint without asking first whether
// there are any.
func ClaimOf(ctx context.Context, db *pg.Worker, org id.Org, endpoint id.WebhookEndpoint) ([]Claim, error) {
	return claimDue(ctx, db, []claim.Turn[webhook.Lane]{{Lane: webhook.Lane{OrgID: org, EndpointID: endpoint}, Room: 10}}, time.Second)
}

// Record records results that are ready at once, as a dispatcher does.
func Record(ctx context.Context, d *Dispatcher, results []Result) {
	claim.Record(ctx, &d.Dispatcher, d.queue(), results)
}
