package dispatching_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// A published event is received once, byte for byte, and Stripe's own library
// verifies its signature.
func TestDelivery(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	_, secret := e.endpoint(rec.URL, "invoice.*")
	datas := []string{
		`{"n":123456789012345678901234567890,"price":1.10,"e":1e2}`,
		`{"html":"<b>&amp;</b>","nul":"\u0000","lone":"\ud800","slash":"\/"}`,
		`[[[[[{"deep":  [1, 2]}]]]]]`,
		"{\n  \"spaced\" : \"out\"\n}",
		`"just text"`, `0`, `null`, `"ünïcödé 漢字 🎉"`,
	}
	events := e.publish(datas...)
	e.dispatch()

	got := map[string]testkit.Received{}
	for _, r := range rec.All() {
		got[r.Header.Get("Webhook-Id")] = r
	}
	if len(got) != len(datas) || len(rec.All()) != len(datas) {
		t.Fatalf("%d requests of %d events, want %d", len(rec.All()), len(got), len(datas))
	}
	for i, ev := range events {
		r := got[ev.ID.String()]
		want := fmt.Sprintf(`{"id":"%s","type":"invoice.paid","created_at":"%s","data":%s}`,
			ev.ID, ev.CreatedAt.Format("2006-01-02T15:04:05.000000Z"), datas[i])
		if string(r.Body) != want {
			t.Errorf("body\n%s, want\n%s", r.Body, want)
		}
		if err := stripe.ValidatePayload(r.Body, r.Header.Get("Webhook-Signature"), secret); err != nil {
			t.Errorf("Stripe's verifier: %v", err)
		}
		if ct, ua := r.Header.Get("Content-Type"), r.Header.Get("User-Agent"); ct != "application/json" || ua != sending.UserAgent {
			t.Errorf("Content-Type %q, User-Agent %q", ct, ua)
		}
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{}) {
		if d.Status != webhook.Delivered || d.Attempts != 1 || d.NextRetryAt != nil || d.CompletedAt == nil {
			t.Errorf("delivery %+v", d)
		}
	}
}

// Only endpoints that subscribe to the type get an event.
func TestSubscription(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		subscribed string
		wants      bool
	}{
		{"*", true}, {"invoice.paid", true}, {"invoice.*", true},
		{"invoice", false}, {"invoice.paid.*", false}, {"invoice.pai", false}, {"inv.*", false}, {"Invoice.paid", false},
		{"group:billing", true}, {"group:orders", false}, {"group:", false},
	} {
		if got := webhook.Wants([]string{"other", tt.subscribed}, "invoice.paid", "billing"); got != tt.wants {
			t.Errorf("%s wants invoice.paid: %v", tt.subscribed, got)
		}
	}
}

// A failed delivery is tried again on the schedule, with the same bytes and id,
// until the receiver answers 2xx; then never again.
func TestRetryUntilSuccess(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "database is down")
		}
	})
	_, secret := e.endpoint(rec.URL, "*")
	e.publish(`{"a":1}`)
	e.dispatch()
	e.Advance(t, 59*time.Second)
	e.dispatch()
	if n := len(rec.All()); n != 1 {
		t.Fatalf("%d tries within 59 s, want 1", n)
	}
	e.Advance(t, time.Second)
	e.dispatch()
	e.Advance(t, 5*time.Minute)
	e.dispatch()
	e.Advance(t, 240*time.Hour)
	e.dispatch()
	got := rec.All()
	if len(got) != 3 {
		t.Fatalf("%d tries, want 3", len(got))
	}
	if string(got[0].Body) != string(got[2].Body) || got[0].Header.Get("Webhook-Id") != got[2].Header.Get("Webhook-Id") {
		t.Error("body or id changed between tries")
	}
	// The clock ran ahead; the signature's time is the attempt's.
	if err := stripe.ValidatePayloadIgnoringTolerance(got[2].Body, got[2].Header.Get("Webhook-Signature"), secret); err != nil {
		t.Error(err)
	}
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	attempts := e.attempts(d)
	if d.Status != webhook.Delivered || d.Attempts != 3 || len(attempts) != 3 {
		t.Fatalf("delivery %+v with %d attempts", d, len(attempts))
	}
	first := attempts[0]
	if *first.StatusCode != 500 || *first.Error != "answered 500, expected 2xx" || string(first.ResponseBody) != "database is down" {
		t.Errorf("first attempt %d %q %q", *first.StatusCode, *first.Error, first.ResponseBody)
	}
	if last := attempts[2]; *last.StatusCode != 200 || last.Error != nil || last.Number != 3 {
		t.Errorf("last attempt %+v", last)
	}
}

// After the eighth try a delivery has failed and stays readable.
func TestExhaustion(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	for _, wait := range append(webhook.DefaultSchedule, 240*time.Hour) {
		e.Advance(t, wait)
		e.dispatch()
	}
	if n := len(rec.All()); n != 8 {
		t.Errorf("%d tries, want 8", n)
	}
	d := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})
	if len(d) != 1 || d[0].Attempts != 8 || d[0].NextRetryAt != nil {
		t.Fatalf("failed deliveries: %+v", d)
	}
	if !strings.Contains(e.lines.String(), `"Exhausted":1`) {
		t.Error("no line counts the exhausted delivery")
	}
}

// A deleted endpoint's pending deliveries are given up without a try.
func TestDeletedEndpoint(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.deleteEndpoint(endpoint)
	e.dispatch()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Failed || d.Attempts != 0 || len(rec.All()) != 0 {
		t.Errorf("%+v after %d requests", d, len(rec.All()))
	}
}

// Two dispatchers at once send every delivery exactly once between them.
func TestTwoDispatchers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	const n = 1000
	for range n / 100 {
		e.publish(strings.Split(strings.Repeat("1,", 99)+"1", ",")...)
	}
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- e.dispatcher().Run(context.Background()) }()
	}
	testkit.Must(t, <-done)
	testkit.Must(t, <-done)
	seen := map[string]int{}
	for _, r := range rec.All() {
		seen[r.Header.Get("Webhook-Id")]++
	}
	if len(seen) != n || len(rec.All()) != n {
		t.Errorf("%d requests of %d events, want %d each", len(rec.All()), len(seen), n)
	}
	if left := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_delivery WHERE status <> 'delivered'`); left != 0 {
		t.Errorf("%d deliveries are not delivered", left)
	}
}

// A dispatcher that is short of time claims nothing more and nudges a successor.
func TestHandOver(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	ctx, cancel := context.WithTimeout(context.Background(), dispatching.LeaseFor+time.Second)
	defer cancel()
	testkit.Must(t, e.dispatcher().Run(ctx))
	if len(rec.All()) != 0 {
		t.Error("sent, though the lease would outlive the dispatcher")
	}
	if depth := e.nudges.Depth(); depth.Visible != 1 {
		t.Errorf("nudges: %+v, want 1", depth)
	}
}
