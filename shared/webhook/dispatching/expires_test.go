package dispatching_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

func (e *engine) publishExpiring(after time.Duration, key *string) {
	e.t.Helper()
	e.publishDrafts([]event.Draft{{Type: "invoice.paid", Data: json.RawMessage(`1`), OrderingKey: key, ExpiresAfter: after}})
}

// A delivery is not tried after its time: it ends at the failed try whose next one would
// be too late, and says why. A redelivery has no such time.
func TestExpires(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, fails := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 60, 3600, 3600)
	e.publishExpiring(30*time.Minute, nil)
	e.dispatch()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Pending || d.ExpiresAt == nil || d.ExpiresAt.Sub(d.EventID.Time()).Round(time.Second) != 30*time.Minute {
		t.Errorf("after the first try: %+v", d)
	}
	e.Advance(t, 2*time.Minute)
	e.dispatch()
	d = e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Failed || d.Attempts != 2 || value(d.LastError) != webhook.TooLateError || d.CompletedAt == nil {
		t.Errorf("after the second try: %+v", d)
	}
	fails.Store(false)
	e.Advance(t, time.Hour)
	if d = e.mustRedeliver(d); d.Status != webhook.Pending || d.ExpiresAt != nil {
		t.Errorf("redelivered: %+v", d)
	}
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 1 || len(rec.All()) != 3 {
		t.Errorf("%d delivered after %d requests", n, len(rec.All()))
	}
}

// What could not be tried in its time is never sent. It uses up no rate, and later
// deliveries do not wait for it.
func TestExpiresUntried(t *testing.T) {
	t.Parallel()
	for _, limit := range []int32{0, 1} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := testkit.NewReceiver(t, nil)
			endpoint, _ := e.endpoint(rec.URL, "*")
			e.setOptions(endpoint, webhook.OptionsChange{RateLimit: &limit})
			for range 20 {
				e.publishExpiring(time.Minute, nil)
			}
			e.publish(`2`)
			e.Advance(t, time.Minute)
			if n := e.count(webhook.Failed); n != 20 {
				t.Errorf("%d are shown as failed before anybody looked, want 20", n)
			}
			e.dispatch()
			if n := len(rec.All()); n != 1 || e.count(webhook.Delivered) != 1 {
				t.Errorf("%d requests, %d delivered, want 1", n, e.count(webhook.Delivered))
			}
			for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed}) {
				if d.Attempts != 0 || value(d.LastError) != webhook.TooLateError || d.CompletedAt == nil {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

// While a breaker is open expired deliveries are no probes, and none is sent.
func TestExpiresBehindABreaker(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, _ := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 3600)
	e.publish(`1`, `2`, `3`, `4`, `5`)
	e.dispatch()
	sent := len(rec.All())
	for range 5 {
		e.publishExpiring(time.Second, nil)
	}
	e.Advance(t, 11*time.Second) // a probe is due
	e.dispatch()
	if n := len(rec.All()); n != sent || e.count(webhook.Failed) != 5 {
		t.Errorf("%d requests, %d failed", n-sent, e.count(webhook.Failed))
	}
}

// Held and paused deliveries are shown as failed when their time is over, and the upkeep
// finishes them. What waits behind in order goes on.
func TestExpiresWhileHeld(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint := e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	key := "k"
	e.setStatus(endpoint, webhook.Disabled, false)
	e.publishExpiring(time.Minute, &key)
	e.publishKeys(key)
	e.publishExpiring(time.Hour, nil)
	if n := e.count(webhook.Held); n != 3 {
		t.Fatalf("%d held", n)
	}
	e.Advance(t, time.Minute)
	if held, failed := e.count(webhook.Held), e.count(webhook.Failed); held != 2 || failed != 1 {
		t.Errorf("%d held and %d failed after a minute", held, failed)
	}
	if n := e.failHeld(endpoint); n != 1 {
		t.Errorf("the upkeep failed %d, want 1", n)
	}
	d := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})[0]
	if d.CompletedAt == nil || value(d.LastError) != webhook.TooLateError {
		t.Errorf("%+v", d)
	}
	e.setStatus(endpoint, webhook.Enabled, false)
	e.dispatch()
	if n := len(rec.All()); n != 2 {
		t.Errorf("%d received, want what had not expired", n)
	}
}

// The head of an ordering key that expires does not pause the key, not even after a
// failed try.
func TestExpiredHeadLetsGo(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	key := "k"
	e.publishExpiring(time.Second, &key)
	e.publishKeys(key)
	e.dispatch()
	if n := len(rec.All()); n != 2 || e.count(webhook.Delivered) != 1 || e.count(webhook.Failed) != 1 {
		t.Errorf("%d requests, %d delivered, %d failed", n, e.count(webhook.Delivered), e.count(webhook.Failed))
	}
}
