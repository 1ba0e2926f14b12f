package dispatching_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// notices returns what operational events a receiver got, in order.
func notices(rec *testkit.Receiver) (types []string, data []map[string]any) {
	for _, r := range rec.All() {
		var body struct {
			Type string
			Data map[string]any
		}
		if json.Unmarshal(r.Body, &body) == nil && webhook.IsOperational(body.Type) {
			types, data = append(types, body.Type), append(data, body.Data)
		}
	}
	return types, data
}

// publishTo publishes one event of a type.
func (e *engine) publishTo(eventType string) {
	e.t.Helper()
	e.publishDrafts([]event.Draft{{Type: eventType, Data: json.RawMessage(`1`)}})
}

// fail publishes to an endpoint that is down until its owner is to be told.
func (e *engine) fail(eventType string) {
	e.t.Helper()
	for range 5 {
		e.publishTo(eventType)
	}
	e.dispatch()
	e.Advance(e.t, 61*time.Second)
	e.dispatch()
}

// The owner is told once that an endpoint fails, once that it has recovered.
func TestFailingAndRecovered(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, "webhook_endpoint.*")
	rec := newSwitchable(t)
	rec.down.Store(true)
	endpoint, _ := e.endpoint(rec.URL, "invoice.paid")
	e.fail("invoice.paid")
	e.Advance(t, 10*time.Minute)
	e.dispatch()
	types, data := notices(watch)
	if diff := cmp.Diff([]string{webhook.EventFailing}, types); diff != "" {
		t.Fatal(diff)
	}
	if data[0]["endpoint_id"] != endpoint.String() || data[0]["last_error"] != "answered 503, expected 2xx" || data[0]["failing_since"] == nil {
		t.Errorf("failing says %v", data[0])
	}
	rec.down.Store(false)
	e.Advance(t, time.Hour)
	e.dispatch()
	types, _ = notices(watch)
	if diff := cmp.Diff([]string{webhook.EventFailing, webhook.EventRecovered}, types); diff != "" {
		t.Error(diff)
	}
}

// The owner is not told of a receiver that restarts and fails for a few seconds.
func TestShortFailureIsNotTold(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, "webhook_endpoint.*")
	rec := newSwitchable(t)
	rec.down.Store(true)
	e.endpoint(rec.URL, "invoice.paid")
	e.publish(`1`, `2`, `3`, `4`, `5`, `6`)
	e.dispatch()
	rec.down.Store(false)
	e.Advance(t, 15*time.Second)
	e.publish(`7`)
	e.dispatch()
	if types, _ := notices(watch); len(types) > 0 {
		t.Errorf("told %v", types)
	}
}

// The owner is told that an endpoint was disabled, and why.
func TestDisabledIsTold(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, webhook.EventDisabled)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	endpoint, _ := e.endpoint(rec.URL, "invoice.paid")
	e.publish(`1`)
	e.dispatch()
	types, data := notices(watch)
	if len(types) != 1 || data[0]["endpoint_id"] != endpoint.String() || data[0]["reason"] != webhook.DisabledGone {
		t.Errorf("told %v: %v", types, data)
	}
}

// After the last try the delivery is kept as failed, and its owner is told.
func TestExhausted(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, "delivery.*")
	rec := newSwitchable(t)
	rec.down.Store(true)
	endpoint, _ := e.endpoint(rec.URL, "invoice.paid")
	e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{5}})
	published := e.publish(`1`)
	e.dispatch()
	if types, _ := notices(watch); len(types) > 0 {
		t.Errorf("told before the last try: %v", types)
	}
	e.Advance(t, time.Minute+time.Second)
	e.dispatch()
	if n := testkit.Value[int](t, e.Database, `SELECT dead FROM webhook_lane WHERE endpoint_id = $1 AND (dead = 0) = (dead_since IS NULL)`, endpoint); n != 1 {
		t.Errorf("%d deliveries are counted as failed for good", n)
	}
	failed := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})
	types, data := notices(watch)
	if len(failed) != 1 || len(types) != 1 {
		t.Fatalf("%d failed, told %v", len(failed), types)
	}
	want := map[string]any{
		"delivery_id": failed[0].ID.String(), "event_id": published[0].ID.String(), "event_type": "invoice.paid",
		"endpoint_id": endpoint.String(), "attempt_count": 2.0, "status_code": 503.0, "last_error": "answered 503, expected 2xx",
	}
	if diff := cmp.Diff(want, data[0]); diff != "" {
		t.Error(diff)
	}
}

// An operational event goes to endpoints that subscribe to it by name or prefix,
// not to those with `*`, and never to the endpoint that it is about.
func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	gone := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	about, _ := e.endpoint(gone.URL, "invoice.paid", "webhook_endpoint.disabled")
	everything, _ := e.endpoint(testkit.NewReceiver(t, nil).URL, "*")
	named, _ := e.endpoint(testkit.NewReceiver(t, nil).URL, "webhook_endpoint.disabled")
	prefix, _ := e.endpoint(testkit.NewReceiver(t, nil).URL, "webhook_endpoint.*")
	e.publish(`1`)
	e.dispatch()
	for _, tt := range []struct {
		name     string
		endpoint id.WebhookEndpoint
		want     int
	}{{"itself", about, 1}, {"everything", everything, 1}, {"its name", named, 1}, {"its prefix", prefix, 1}} {
		if n := len(e.deliveries(webhook.DeliveryFilter{EndpointID: tt.endpoint})); n != tt.want {
			t.Errorf("%s: %d deliveries, want %d", tt.name, n, tt.want)
		}
	}
}

// Nothing is reported about deliveries of operational events: an endpoint that
// fails only on them is not reported as failing, and none of them is reported as
// exhausted.
func TestOperationalEventsCauseNone(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, "webhook_endpoint.*", "delivery.*")
	down := newSwitchable(t)
	down.down.Store(true)
	customer, _ := e.endpoint(down.URL, "invoice.paid")
	bystander, _ := e.endpoint(down.URL, "delivery.exhausted")
	for _, endpoint := range []id.WebhookEndpoint{customer, bystander} {
		e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryBestEffort)})
	}
	for range 8 {
		e.publish(`1`)
		e.Advance(t, 2*time.Minute)
		e.dispatch()
	}
	types, data := notices(watch)
	for i := range types {
		if data[i]["endpoint_id"] != customer.String() {
			t.Errorf("told %s of %v", types[i], data[i])
		}
	}
	if n := len(e.deliveries(webhook.DeliveryFilter{EndpointID: bystander, Status: webhook.Failed})); n < 6 {
		t.Fatalf("only %d operational events failed", n)
	}
}

// If endpoints subscribe to each other's operational events and all fail, only
// the customers' events cause operational events. Failed operational events cause
// no more of them.
func TestNoLoops(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	var all []*switchable
	for range 3 {
		rec := newSwitchable(t)
		rec.down.Store(true)
		all = append(all, rec)
		endpoint, _ := e.endpoint(rec.URL, "invoice.paid", "webhook_endpoint.*", "delivery.*")
		e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{1, 1}})
	}
	e.publish(`1`, `2`, `3`)
	for i := range 40 {
		for _, rec := range all {
			rec.down.Store(i%3 != 2) // flapping
		}
		e.Advance(t, 2*time.Minute)
		e.dispatch()
	}
	events := e.operationalEvents()
	for range 40 {
		e.Advance(t, 2*time.Minute)
		e.dispatch()
	}
	if again := e.operationalEvents(); again != events {
		t.Errorf("%d operational events became %d without any event of the customer", events, again)
	}
	// Nine deliveries may be exhausted, and for each of them every endpoint may
	// fail and recover once.
	if events > 9+2*9 {
		t.Errorf("%d operational events of 9 deliveries", events)
	}
}

func (e *engine) operationalEvents() int {
	e.t.Helper()
	return testkit.Value[int](e.t, e.Database, `SELECT count(*) FROM event WHERE type LIKE 'webhook_endpoint.%' OR type LIKE 'delivery.%'`)
}
