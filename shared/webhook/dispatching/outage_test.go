package dispatching_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// passes lets time pass in steps and runs a dispatcher at each, as the sweep
// does. It sleeps early; the next one takes what it leaves.
func (e *engine) passes(d, step time.Duration) {
	e.t.Helper()
	dispatcher := e.dispatcher()
	dispatcher.Idle = 10 * time.Millisecond
	dispatcher.LookEvery = 10 * time.Millisecond
	for range d / step {
		e.Advance(e.t, step)
		if n, err := dispatching.NextDue(context.Background(), e.Worker); err != nil || !n.Due {
			testkit.Must(e.t, err)
			continue
		}
		testkit.Must(e.t, dispatcher.Run(context.Background()))
	}
}

// A receiver that is down for a day loses nothing, whenever in that day an
// event was published: the breaker never makes the last try come too early.
func TestOutageOfADay(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	e.endpoint(rec.URL, "*")
	rec.down.Store(true)
	published := 0
	for range 24 {
		e.publish(`1`, `2`)
		published += 2
		e.dispatch()
		e.passes(time.Hour, 15*time.Minute)
	}
	rec.down.Store(false)
	e.passes(11*time.Hour, 30*time.Minute)
	if n := e.count(webhook.Delivered); n != published {
		t.Errorf("%d of %d delivered after a day's outage", n, published)
	}
}

// After an outage of 20 minutes everything is delivered within one step of the
// schedule from recovery: the wait that each delivery was in when it ended, and
// no more than the breaker's minute on top.
func TestOutageOfTwentyMinutes(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	e.endpoint(rec.URL, "*")
	rec.down.Store(true)
	for range 20 {
		e.publish(`1`)
		e.dispatch()
		e.passes(time.Minute, 30*time.Second)
	}
	rec.down.Store(false)
	recovered := e.Clock.Now()
	latest := map[string]time.Time{}
	for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Pending}) {
		attempts := e.attempts(d)
		step := webhook.DefaultSchedule[0]
		if n := len(attempts); n > 0 {
			// The wait for an overloaded receiver is twice that of the schedule.
			step = 2 * webhook.DefaultSchedule[n-1]
		}
		latest[d.ID.String()] = recovered.Add(step + step/10 + 2*time.Minute)
	}
	e.passes(75*time.Minute, 30*time.Second)
	if n := e.count(webhook.Delivered); n != 20 {
		t.Errorf("%d of 20 delivered", n)
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Delivered}) {
		if d.CompletedAt.After(latest[d.ID.String()]) {
			t.Errorf("delivered %s after recovery, want at most %s", d.CompletedAt.Sub(recovered), latest[d.ID.String()].Sub(recovered))
		}
	}
}

// For deliveries that will be due before the next sweep, a dispatcher that goes
// to sleep sends a nudge that arrives in time. Later ones are left to the sweep.
func TestSoonDueIsNudged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		wait    int32
		delayed int
	}{{"in 5 seconds", 5, 1}, {"in an hour", 3600, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			endpoint, _ := e.endpoint(rec.URL, "*")
			e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{tt.wait}})
			e.publish(`1`)
			e.dispatch()
			if d := e.nudges.Depth(); d.Delayed != tt.delayed || d.Visible != 0 {
				t.Errorf("nudges %+v, want %d delayed", d, tt.delayed)
			}
		})
	}
}
