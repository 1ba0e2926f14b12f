package dispatching_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

const kept = 30 * 24 * time.Hour

// failHeld marks as failed the deliveries that are held at an endpoint for too
// long, in batches of two.
func (e *engine) failHeld(endpoint id.WebhookEndpoint) (failed int) {
	e.t.Helper()
	for {
		n, err := webhook.FailHeld(context.Background(), e.Worker, webhook.Holding{Org: e.org, Endpoint: endpoint}, kept, 2)
		testkit.Must(e.t, err)
		if failed += n; n == 0 {
			return failed
		}
	}
}

// A delivery that is held at a disabled endpoint for longer than deliveries are
// kept fails with an error that says so, without a try and without consequences
// for the endpoint.
func TestHeldExpires(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setStatus(endpoint, webhook.Disabled, false)
	e.publish(`1`, `2`, `3`)
	e.Advance(t, kept-time.Hour)
	if n := e.failHeld(endpoint); n != 0 {
		t.Errorf("%d failed before their time", n)
	}
	e.Advance(t, time.Hour+time.Second)
	e.publish(`4`)
	if n := e.failHeld(endpoint); n != 3 {
		t.Errorf("%d failed, want 3", n)
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed}) {
		if d.LastError == nil || *d.LastError != webhook.ExpiredError || d.CompletedAt == nil || d.Attempts != 0 || len(e.attempts(d)) != 0 {
			t.Errorf("%+v", d)
		}
	}
	if failures := testkit.Value[int](t, e.Database, `SELECT failures FROM webhook_lane`); failures != 0 || e.count(webhook.Held) != 1 {
		t.Errorf("%d failures counted, %d still held, want 0 and 1", failures, e.count(webhook.Held))
	}
	e.setStatus(endpoint, webhook.Enabled, false)
	e.dispatch()
	if len(rec.All()) != 1 || e.count(webhook.Failed) != 3 {
		t.Errorf("%d received, %d failed", len(rec.All()), e.count(webhook.Failed))
	}
}

// What waits behind a paused ordering key expires, too. The key stays paused,
// and what is younger follows when it is resumed.
func TestPausedExpires(t *testing.T) {
	t.Parallel()
	e, rec, endpoint := exhaustedHead(t, webhook.ExhaustionPause)
	e.Advance(t, kept+time.Second)
	e.publishNumbered("a", 3, 1)
	if n := e.failHeld(endpoint); n != 2 {
		t.Errorf("%d failed, want 2", n)
	}
	e.dispatch()
	if lag := e.lags(endpoint); len(lag) != 1 || lag[0].PausedAt == nil || lag[0].Pending != 1 {
		t.Errorf("lag %+v", lag)
	}
	testkit.Must(t, e.resume(endpoint, "a"))
	e.dispatch()
	if a := numbersOf(t, rec, "a"); fmt.Sprint(a) != "[0 0 3]" {
		t.Errorf("received %v", a)
	}
}

// When the head of an ordering key expires the next one is the head.
func TestExpiredHeadLetsTheNextGo(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint := e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	e.setStatus(endpoint, webhook.Disabled, false)
	e.publishNumbered("a", 0, 3)
	e.Advance(t, kept+time.Second)
	e.publishNumbered("a", 3, 2)
	if n := e.failHeld(endpoint); n != 3 {
		t.Errorf("%d failed, want 3", n)
	}
	e.setStatus(endpoint, webhook.Enabled, false)
	e.dispatch()
	if a := numbersOf(t, rec, "a"); fmt.Sprint(a) != "[3 4]" {
		t.Errorf("received %v", a)
	}
}

// What is due, what waits behind a head that is still tried, what is being sent
// and what another database has are not held, however old.
func TestOnlyHeldExpires(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	endpoint := e.orderedEndpoint("https://example.com/", webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 3)
	e.publish(`1`)
	e.Advance(t, kept+time.Second)
	unfinished := func(want int, which string) {
		t.Helper()
		if n := e.failHeld(endpoint); n != want {
			t.Errorf("%s: %d failed, want %d", which, n, want)
		}
	}
	unfinished(0, "due")
	claims, err := dispatching.ClaimDue(context.Background(), e.Worker, 10, dispatching.LeaseFor)
	if err != nil || len(claims) != 2 {
		t.Fatalf("%d claimed, %v", len(claims), err)
	}
	e.setStatus(endpoint, webhook.Disabled, false)
	e.Place(t, e.org, "left", "acme")
	unfinished(0, "moved")
	e.Exec(t, `DELETE FROM placement`)
	e.Exec(t, `UPDATE webhook_delivery SET lease = $1 WHERE lease IS NOT NULL`, uuid.New())
	unfinished(2, "in flight") // what is behind the head
	e.Advance(t, dispatching.LeaseFor+time.Second)
	unfinished(2, "the dispatcher died")
}
