package dispatching_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// An endpoint that hangs with a long backlog uses at most half of the slots.
// Events for another endpoint are delivered at once, although the whole backlog
// was due before them.
func TestHangingEndpointDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	slow, release := hanging(t)
	good := testkit.NewReceiver(t, nil)
	e.endpoint(slow.URL, "slow")
	e.endpoint(good.URL, "good")
	backlog := make([]event.Draft, 100)
	for i := range backlog {
		backlog[i] = event.Draft{Type: "slow", Data: json.RawMessage("1")}
	}
	for range 5 {
		e.publishDrafts(backlog)
	}
	d := e.dispatcher()
	d.Sender = e.localSender(time.Minute)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	testkit.Await(t, "half of the slots to be held", func() bool { return len(slow.All()) == d.Concurrency/2 })
	e.publishDrafts([]event.Draft{{Type: "good", Data: json.RawMessage("1")}, {Type: "good", Data: json.RawMessage("2")}})
	testkit.Await(t, "the good endpoint's deliveries", func() bool { return len(good.All()) == 2 })
	if n := len(slow.All()); n != d.Concurrency/2 {
		t.Errorf("%d requests to the hanging endpoint, want %d", n, d.Concurrency/2)
	}
	release()
	testkit.Await(t, "the backlog", func() bool { return len(slow.All()) == 500 })
	testkit.Await(t, "the records", func() bool { return len(e.deliveries(webhook.DeliveryFilter{Status: webhook.Pending})) == 0 })
	stop()
	<-done
}

// A dispatcher that has more due than slots wakes another one.
func TestOverloadedDispatcherWakesAnother(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, release := hanging(t)
	for range 4 {
		e.endpoint(rec.URL, "*")
	}
	e.publish(`1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`)
	d := e.dispatcher()
	d.Sender, d.Concurrency = e.localSender(time.Minute), 8
	stop := e.running(d) // until all is recorded: it never leaves anything to a successor, so a nudge is a call for help
	testkit.Await(t, "a nudge", func() bool { return e.nudges.Depth().Visible > 0 })
	release()
	testkit.Await(t, "the records", func() bool { return len(e.deliveries(webhook.DeliveryFilter{Status: webhook.Pending})) == 0 })
	stop()
}
