package dispatching_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// setOptions changes an endpoint's options and returns it.
func (e *engine) setOptions(endpoint id.WebhookEndpoint, o webhook.OptionsChange) (changed webhook.Endpoint) {
	e.t.Helper()
	testkit.Must(e.t, o.Check())
	return e.change(endpoint, webhook.EndpointChange{Options: o})
}

// change does what a PATCH does.
func (e *engine) change(endpoint id.WebhookEndpoint, c webhook.EndpointChange) (changed webhook.Endpoint) {
	e.t.Helper()
	ctx := context.Background()
	testkit.Must(e.t, e.due.Lower(ctx, e.Clock.Now()))
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		_, changed, err = webhook.UpdateEndpoint(ctx, tx, e.org, endpoint, c, e.Clock.Now(), e.box)
		return err
	})
	return changed
}

// get reads an endpoint.
func (e *engine) get(endpoint id.WebhookEndpoint) (got webhook.Endpoint) {
	e.t.Helper()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		got, err = webhook.GetEndpoint(ctx, tx, e.org, endpoint)
		return err
	})
	return got
}

// A receiver that keeps failing is tried again after the waits of its policy,
// never earlier, and given up after the last.
func TestRetryPolicies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		set   webhook.OptionsChange
		waits []time.Duration
	}{
		{"default", webhook.OptionsChange{RetryPolicy: new(webhook.RetryDefault)}, webhook.DefaultSchedule},
		{"fast", webhook.OptionsChange{RetryPolicy: new(webhook.RetryFast)}, webhook.FastSchedule},
		{"best effort", webhook.OptionsChange{RetryPolicy: new(webhook.RetryBestEffort)}, nil},
		{"custom", webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{8, 172_800}},
			[]time.Duration{8 * time.Second, 48 * time.Hour}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			endpoint, _ := e.endpoint(rec.URL, "*")
			e.setOptions(endpoint, tt.set)
			e.publish(`1`)
			e.dispatch()
			for i, wait := range tt.waits {
				e.Advance(t, wait/2)
				e.dispatch()
				if n := len(rec.All()); n != i+1 {
					t.Fatalf("%d tries before the %d. wait of %s was over, want %d", n, i+1, wait, i+1)
				}
				e.Advance(t, wait-wait/2)
				e.dispatch()
				if n := len(rec.All()); n != i+2 {
					t.Fatalf("%d tries after the %d. wait of %s, want %d", n, i+1, wait, i+2)
				}
			}
			e.Advance(t, 240*time.Hour)
			e.dispatch()
			d := e.deliveries(webhook.DeliveryFilter{})[0]
			if tries := len(tt.waits) + 1; d.Status != webhook.Failed || int(d.Attempts) != tries || len(rec.All()) != tries {
				t.Errorf("%+v after %d requests, want %d and failed", d, len(rec.All()), tries)
			}
		})
	}
}

// A try ends after the timeout of its own endpoint, and the attempt says so. A
// lease is longer than the longest timeout.
func TestTimeout(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	stop := make(chan struct{})
	rec := testkit.NewReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-stop })
	defer close(stop)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{TimeoutSeconds: new(int16(1))})
	e.publish(`1`)
	e.dispatch()
	a := e.attempts(e.deliveries(webhook.DeliveryFilter{})[0])[0]
	if value(a.Error) != "no complete response within 1s" || a.Latency < time.Second || a.Latency > 1900*time.Millisecond {
		t.Errorf("gave up after %s: %q", a.Latency, value(a.Error))
	}
	if dispatching.LeaseFor < sending.MaxTimeout+5*time.Second {
		t.Errorf("a lease of %s does not cover a try of %s and its recording", dispatching.LeaseFor, sending.MaxTimeout)
	}
}

// Custom headers are sent to their own endpoint only, in addition to ours. The
// headers set last are used, and no log line contains their values.
func TestCustomHeaders(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	with, without := testkit.NewReceiver(t, nil), testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(with.URL, "*")
	e.endpoint(without.URL, "*")
	send := func(headers map[string]string) http.Header {
		t.Helper()
		e.setOptions(endpoint, webhook.OptionsChange{CustomHeaders: headers})
		e.publish(`1`)
		e.dispatch()
		got := with.All()
		return got[len(got)-1].Header
	}
	first := send(map[string]string{"authorization": "Bearer s3cret", "X-Tenant": "acme"})
	if first.Get("Authorization") != "Bearer s3cret" || first.Get("X-Tenant") != "acme" || first.Get("Content-Type") != "application/json" ||
		first.Get("User-Agent") != sending.UserAgent || first.Get("Webhook-Signature") == "" {
		t.Errorf("received %v", first)
	}
	if second := send(map[string]string{"X-Tenant": "two"}); second.Get("Authorization") != "" || second.Get("X-Tenant") != "two" {
		t.Errorf("after a replacement: %v", second)
	}
	if third := send(map[string]string{}); third.Get("X-Tenant") != "" {
		t.Errorf("after a removal: %v", third)
	}
	for _, r := range without.All() {
		if r.Header.Get("Authorization")+r.Header.Get("X-Tenant") != "" {
			t.Errorf("the other endpoint received %v", r.Header)
		}
	}
	if strings.Contains(e.lines.String(), "s3cret") {
		t.Error("a header's value is logged")
	}
}
