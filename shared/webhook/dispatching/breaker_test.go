package dispatching_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// switchable answers 503 while it is down, 200 otherwise.
type switchable struct {
	*testkit.Receiver
	down atomic.Bool
}

func newSwitchable(t *testing.T) *switchable {
	t.Helper()
	s := &switchable{}
	s.Receiver = testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if s.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return s
}

// count returns the number of deliveries by status.
func (e *engine) count(status webhook.Status) int {
	e.t.Helper()
	return len(e.deliveries(webhook.DeliveryFilter{Status: status}))
}

// After five failures in a row the breaker opens: due deliveries are not sent and
// lose no try. Then one delivery is sent as a probe. If it fails, the breaker
// stays open for longer; if it succeeds, all others follow.
func TestBreaker(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	rec.down.Store(true)
	e.endpoint(rec.URL, "*")
	e.publish(`1`, `2`, `3`, `4`, `5`)
	e.dispatch()
	e.publish(`6`, `7`, `8`)
	e.dispatch()
	if n := len(rec.All()); n != 5 {
		t.Fatalf("%d tries with the breaker open, want the 5 that opened it", n)
	}
	e.Advance(t, 10*time.Second)
	e.dispatch()
	if n := len(rec.All()); n != 6 {
		t.Fatalf("%d tries after one probe, want 6", n)
	}
	e.Advance(t, 10*time.Second)
	e.dispatch()
	if n := len(rec.All()); n != 6 {
		t.Fatalf("%d tries 10 s after a failed probe, want 6: it stays open for 20 s", n)
	}
	rec.down.Store(false)
	e.Advance(t, 10*time.Second)
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 2 {
		t.Errorf("%d delivered, want the 2 that were due and no longer wait for the breaker", n)
	}
	e.Advance(t, 2*time.Minute)
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 8 {
		t.Errorf("%d delivered after recovery, want 8", n)
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{}) {
		if d.Attempts > 2 {
			t.Errorf("a delivery took %d tries, want at most 2: waiting for the breaker uses up none", d.Attempts)
		}
	}
}

// What was in flight when the breaker opened does not open it any longer.
func TestStragglersDoNotExtendTheBreaker(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	answer := make(chan struct{})
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		<-answer
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	e.endpoint(rec.URL, "*")
	e.publish(`1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`)
	done := make(chan error, 1)
	d := e.dispatcher()
	d.Sender = e.localSender(time.Minute)
	go func() { done <- d.Run(context.Background()) }()
	testkit.Await(t, "all to be in flight", func() bool { return len(rec.All()) == 8 })
	for n := 1; n <= 8; n++ { // each recorded in a batch of its own
		answer <- struct{}{}
		testkit.Await(t, "the record", func() bool { return testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_attempt`) == n })
	}
	close(answer)
	testkit.Must(t, <-done)
	e.publish(`9`)
	e.Advance(t, 10*time.Second)
	e.dispatch()
	if n := len(rec.All()); n != 9 {
		t.Errorf("%d tries 10 s after the breaker opened, want the 8 and a probe", n)
	}
}

// Two dispatchers together send only one probe. If the dispatcher dies with it,
// another probe follows.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	rec := newSwitchable(t)
	rec.down.Store(true)
	e.endpoint(rec.URL, "*")
	e.publish(`1`, `2`, `3`, `4`, `5`)
	e.dispatch()
	e.publish(`6`, `7`, `8`)
	e.Advance(t, 10*time.Second)
	for i, want := range []int{1, 0} {
		claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
		if err != nil || len(claims) != want {
			t.Errorf("claim %d took %d (%v), want %d", i+1, len(claims), err, want)
		}
	}
	e.Advance(t, dispatching.LeaseFor)
	if claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor); err != nil || len(claims) != 1 {
		t.Errorf("after the death of the dispatcher that probed: %d claims (%v), want 1", len(claims), err)
	}
}

// If a probe is not sent because our own network failed, the next delivery is a
// probe as soon as the first one may be tried again.
func TestProbeThatWasNotSent(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	rec := newSwitchable(t)
	rec.down.Store(true)
	e.endpoint(rec.URL, "*")
	e.publish(`1`, `2`, `3`, `4`, `5`)
	e.dispatch()
	e.publish(`6`, `7`)
	e.Advance(t, 10*time.Second)
	for range 2 {
		claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
		if err != nil || len(claims) != 1 || !claims[0].Probe {
			t.Fatalf("claimed %+v (%v), want one probe", claims, err)
		}
		testkit.Must(t, dispatching.Load(ctx, e.Worker, e.box, claims))
		dispatching.Record(ctx, e.dispatcher(), []dispatching.Result{{Claim: claims[0], Status: webhook.Pending, Wait: 3 * time.Second}})
		if again, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor); err != nil || len(again) != 0 {
			t.Fatalf("claimed %+v (%v) before its wait was over", again, err)
		}
		e.Advance(t, 4*time.Second)
	}
}

// While a breaker is open nothing is due: the sweep of every minute wakes
// nobody for it, and looks again when it closes.
func TestOpenBreakerIsNotDue(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	rec := newSwitchable(t)
	rec.down.Store(true)
	e.endpoint(rec.URL, "*")
	e.publish(`1`, `2`, `3`, `4`, `5`)
	e.dispatch()
	e.publish(`6`)
	if n, err := dispatching.NextDue(ctx, e.Worker); err != nil || n.Due {
		t.Errorf("due while the breaker is open: %+v, %v", n, err)
	}
	e.Advance(t, 10*time.Second)
	if n, err := dispatching.NextDue(ctx, e.Worker); err != nil || !n.Due {
		t.Errorf("not due when the breaker lets a probe through: %+v, %v", n, err)
	}
}

// All dispatchers together keep a rate limit: at first the deliveries of a tenth
// of a second, then more as time passes. The others wait and lose no try.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.setOptions(endpoint, webhook.OptionsChange{RateLimit: new(int32(1))})
	e.publish(`1`, `2`, `3`, `4`)
	for i, step := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {0, 0}, {time.Second, 1}, {0, 0}, {time.Hour, 1}, {time.Second, 1}} {
		e.Advance(t, step.pass)
		claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, 2*time.Hour)
		if err != nil || len(claims) != step.want {
			t.Errorf("claim %d took %d (%v), want %d", i+1, len(claims), err, step.want)
		}
	}
}

// The whole backlog of an endpoint with a rate limit is sent, at that rate. The
// test moves the clock itself, so the machine's speed does not matter.
func TestRateLimitedBacklog(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.StopClock(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{RateLimit: new(int32(40))})
	for range 5 {
		e.publish(`1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9`, `10`)
	}
	d := e.dispatcher()
	d.LookEvery = time.Millisecond
	stop := e.running(d)
	testkit.Await(t, "what may go at once", func() bool { return e.count(webhook.Delivered) == 4 })
	const step = 2 * time.Millisecond
	var passed time.Duration
	testkit.Await(t, "all to be delivered", func() bool {
		if e.count(webhook.Delivered) == 50 {
			return true
		}
		e.Advance(t, step)
		passed += step
		return false
	})
	stop()
	if passed < 1100*time.Millisecond || len(rec.All()) != 50 {
		t.Errorf("%d deliveries in %s, faster than 40 and a tenth a second", len(rec.All()), passed)
	}
}
