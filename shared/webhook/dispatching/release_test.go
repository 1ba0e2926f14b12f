package dispatching_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// The daily upkeep resumes the paused keys of deleted endpoints, because a
// customer cannot, and then their deliveries are finished. A key of a live
// endpoint stays paused, and one that a publish has locked at that moment is left
// for the next day.
func TestKeysOfDeletedEndpointsAreReleased(t *testing.T) {
	t.Parallel()
	e, rec, endpoint := exhaustedHead(t, webhook.ExhaustionPause)
	release := func() (released int) {
		testkit.Must(t, e.due.Lower(context.Background(), e.Clock.Now()))
		testkit.Must(t, pgx.BeginFunc(context.Background(), e.Worker, func(tx pgx.Tx) (err error) {
			released, err = webhook.ReleaseKeys(context.Background(), tx, 10)
			return err
		}))
		return released
	}
	if n := release(); n != 0 {
		t.Errorf("%d keys of a live endpoint released", n)
	}
	e.deleteEndpoint(endpoint)
	e.holdKey(e.org, "a", func() {
		if n := release(); n != 0 {
			t.Errorf("%d keys released while a publish holds them", n)
		}
	})
	if n := release(); n != 1 {
		t.Errorf("%d keys released, want 1", n)
	}
	e.dispatch()
	if n := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_delivery WHERE status = 'pending'`); n != 0 {
		t.Errorf("%d deliveries are unfinished", n)
	}
	if n := len(rec.All()); n != 2 {
		t.Errorf("%d requests, want none but the head's two", n)
	}
}

// If the last try of a deleted endpoint fails, its key is not paused: the
// deliveries behind it are given up.
func TestDeletedEndpointPausesNothing(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	endpoint := e.orderedEndpoint("https://example.com/", webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 3)
	claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	testkit.Must(t, dispatching.Load(ctx, e.Worker, e.box, claims))
	e.deleteEndpoint(endpoint)
	dispatching.Record(ctx, e.dispatcher(), []dispatching.Result{{Claim: claims[0], Status: webhook.Failed, Outcome: sending.Outcome{Tried: true, StartedAt: time.Now(), Error: "answered 500"}}})
	e.dispatch()
	if n := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_delivery WHERE status = 'pending'`); n != 0 {
		t.Errorf("%d deliveries are unfinished", n)
	}
}
