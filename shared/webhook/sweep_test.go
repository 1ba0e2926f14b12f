package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/observe"
	"portico/shared/webhook"
)

func (e *engine) sweeper() *webhook.Sweeper {
	return &webhook.Sweeper{
		DB: e.Worker, Waker: &webhook.Waker{Due: e.due, Nudge: e.sender}, Clock: e.Clock, Log: observe.NewLog(e.lines, "test"),
	}
}

func (e *engine) sweep() (nudges int) {
	e.t.Helper()
	before := e.nudges.Depth().Visible
	e.must(e.sweeper().Sweep(context.Background()))
	return e.nudges.Depth().Visible - before
}

// What nobody was nudged for is found by the next sweep: a publish whose nudge
// was lost, a retry whose time has come, a lease whose dispatcher died.
func TestSweepFindsWhatIsDue(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e.endpoint(rec.URL, "*")
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges with nothing published", n)
	}
	e.publish(`1`)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges for a publish whose nudge was lost", n)
	}
	e.dispatch()
	e.Advance(t, 50*time.Second)
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges before the retry is due", n)
	}
	e.Advance(t, 11*time.Second)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges for a retry whose time has come", n)
	}
	if _, err := webhook.ClaimDue(context.Background(), e.Worker, 1, webhook.LeaseFor); err != nil {
		t.Fatal(err)
	}
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges while a lease holds", n)
	}
	e.Advance(t, webhook.LeaseFor+time.Second)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges after a lease has run out", n)
	}
}

// A dispatcher that claims to be awake but leaves things overdue does not keep
// the sweep from waking another.
func TestSweepDistrustsOverdueDispatcher(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	e.Advance(t, 3*time.Second)
	e.must(webhook.StayAwake(ctx, e.Worker, [16]byte{1}))
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
}

// An idle system's sweep reads one DynamoDB item and asks Postgres nothing: it
// works while Postgres is away.
func TestIdleSweepAsksNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	e.Advance(t, 2*time.Minute)
	e.sweep() // finds nothing and raises
	e.Worker.Close()
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges of an idle system", n)
	}
	if lines := strings.Count(e.lines.String(), `"message":"swept"`); lines != 2 {
		t.Errorf("%d lines of 2 sweeps", lines)
	}
}
