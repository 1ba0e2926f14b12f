package dispatching_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

func (e *engine) setStatus(endpoint id.WebhookEndpoint, status string, drop bool) webhook.Endpoint {
	e.t.Helper()
	return e.change(endpoint, webhook.EndpointChange{Status: &status, DropHeld: drop})
}

// While an endpoint is disabled its deliveries are held: those that wait for a
// retry and those that are published meanwhile. Enabling it sends them all.
func TestHeldThenSent(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	rec.down.Store(true)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	changed := e.setStatus(endpoint, webhook.Disabled, false)
	if changed.DisabledAt == nil || changed.DisabledReason == nil || *changed.DisabledReason != webhook.DisabledRequested {
		t.Errorf("disabled: %v for %v", changed.DisabledAt, changed.DisabledReason)
	}
	rec.down.Store(false)
	e.publish(`2`, `3`)
	e.Advance(t, time.Hour)
	e.dispatch()
	if n := len(rec.All()); n != 1 {
		t.Fatalf("%d requests to a disabled endpoint, want the one before", n)
	}
	if n := e.count(webhook.Held); n != 3 {
		t.Errorf("%d held, want 3", n)
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{}) {
		if d.NextRetryAt != nil {
			t.Errorf("a held delivery is announced for %s", d.NextRetryAt)
		}
	}
	changed = e.setStatus(endpoint, webhook.Enabled, false)
	if changed.DisabledAt != nil || changed.DisabledReason != nil {
		t.Errorf("enabled, but disabled at %v for %v", changed.DisabledAt, changed.DisabledReason)
	}
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 3 {
		t.Errorf("%d delivered after enabling, want 3", n)
	}
}

// A notification names disabled endpoints too, but the dispatcher sends to the
// enabled ones only.
func TestHeldWhenTold(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	held, good := testkit.NewReceiver(t, nil), testkit.NewReceiver(t, nil)
	disabled, _ := e.endpoint(held.URL, "*")
	e.endpoint(good.URL, "*")
	e.setStatus(disabled, webhook.Disabled, false)
	d := e.dispatcher()
	d.Idle = time.Hour
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	testkit.Await(t, "the dispatcher to be awake", e.tell)
	for i := range 5 {
		e.publish(`1`)
		testkit.Await(t, "the other endpoint's delivery", func() bool { e.tell(); return len(good.All()) == i+1 })
	}
	stop()
	<-done
	if n := len(held.All()); n != 0 {
		t.Errorf("%d requests to the disabled endpoint", n)
	}
}

// Enabling can drop the held deliveries: they fail at once and are never sent.
// Events published later are sent.
func TestHeldThenDropped(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setStatus(endpoint, webhook.Disabled, false)
	e.publish(`1`, `2`)
	e.Advance(t, time.Second)
	e.setStatus(endpoint, webhook.Enabled, true)
	if n := e.count(webhook.Failed); n != 2 {
		t.Errorf("%d failed at once, want 2", n)
	}
	e.Advance(t, time.Second)
	e.publish(`3`)
	e.dispatch()
	if n := len(rec.All()); n != 1 {
		t.Errorf("%d received, want only what was published since", n)
	}
	if failed := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed}); len(failed) != 2 || failed[0].Attempts != 0 || failed[0].CompletedAt == nil {
		t.Errorf("dropped: %+v", failed)
	}
}

// Dropped deliveries are given up at once, whatever the rate limit: they are
// never sent, and later events do not wait for them.
func TestDroppedUsesUpNoRate(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.setOptions(endpoint, webhook.OptionsChange{RateLimit: new(int32(1))})
	e.setStatus(endpoint, webhook.Disabled, false)
	for range 3 {
		e.publish(`1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9`, `10`)
	}
	e.Advance(t, time.Second)
	e.setStatus(endpoint, webhook.Enabled, true)
	e.publish(`new`, `newer`)
	for i, want := range []int{30, 1, 0} {
		claims, err := dispatching.ClaimDue(ctx, e.Worker, 100, time.Hour)
		if err != nil || len(claims) != want {
			t.Errorf("claim %d took %d (%v), want %d: the dropped, one new, and no other within the second", i+1, len(claims), err, want)
		}
	}
}

// A dropped delivery cannot be a probe: the breaker is tested with a delivery
// that is sent.
func TestDroppedIsNoProbe(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	rec.down.Store(true)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	e.setStatus(endpoint, webhook.Disabled, false)
	e.Advance(t, time.Second)
	e.setStatus(endpoint, webhook.Enabled, true)
	e.publish(`2`, `3`, `4`, `5`, `6`)
	e.dispatch()
	if n := len(rec.All()); n != 6 {
		t.Fatalf("%d tries, want the one before and the five that open the breaker", n)
	}
	rec.down.Store(false)
	e.Advance(t, 5*time.Minute)
	e.dispatch()
	if failed, delivered := e.count(webhook.Failed), e.count(webhook.Delivered); failed != 1 || delivered != 5 {
		t.Errorf("%d dropped and %d delivered when the breaker lets a probe through, want 1 and 5", failed, delivered)
	}
}

func (e *engine) deleteEndpoint(endpoint id.WebhookEndpoint) {
	e.t.Helper()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := webhook.DeleteEndpoint(ctx, tx, e.org, endpoint, e.Clock.Now())
		return err
	})
}

// Unfinished deliveries of a deleted endpoint are shown as failed, not as
// pending.
func TestDeliveriesOfADeletedEndpoint(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	e.deleteEndpoint(endpoint)
	if n := e.count(webhook.Failed); n != 1 {
		t.Errorf("%d failed, want 1", n)
	}
}

// audited returns what the audit log says of an endpoint.
func (e *engine) audited(endpoint id.WebhookEndpoint) (entries []string) {
	e.t.Helper()
	return testkit.Value[[]string](e.t, e.Database, `
		SELECT array_agg(concat_ws(' ', actor_type, actor_id, action, after) ORDER BY id)
		FROM audit_entry JOIN audit_target t ON t.entry_id = id AND t.org_id = audit_entry.org_id WHERE target_id = $1`, endpoint.String())
}

// 410 Gone disables the endpoint at once. The delivery is held like the others,
// and the audit log says that Portico did it.
func TestGone(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	gone := true
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if gone {
			w.WriteHeader(http.StatusGone)
		}
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	if got := e.get(endpoint); got.Status != webhook.Disabled || *got.DisabledReason != webhook.DisabledGone {
		t.Fatalf("after 410: %s, %v", got.Status, got.DisabledReason)
	}
	if entries := e.audited(endpoint); !slices.Equal(entries, []string{`system dispatcher webhook_endpoint.disable {"disabled_reason":"gone","status":"disabled"}`}) {
		t.Errorf("audit entries %q", entries)
	}
	if n := e.count(webhook.Held); n != 1 {
		t.Errorf("%d held, want 1", n)
	}
	gone = false
	e.setStatus(endpoint, webhook.Enabled, false)
	e.Advance(t, 2*time.Minute)
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 1 {
		t.Errorf("%d delivered after enabling, want 1", n)
	}
}

// An endpoint is disabled when all its tries have failed for as long and as often
// as Disabling says; one of the two is not enough. A success in between resets
// both.
func TestDisabledAfterSustainedFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		failures int32
		success  bool
		want     string
	}{
		{"long and often", 6, false, webhook.Disabled},
		{"long but not often", 7, false, webhook.Enabled},
		{"often, but it answered in between", 6, true, webhook.Enabled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := newSwitchable(t)
			rec.down.Store(true)
			endpoint, _ := e.endpoint(rec.URL, "*")
			e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryBestEffort)})
			d := e.dispatcher()
			d.Disabling = dispatching.Disabling{After: 5 * time.Hour, Failures: tt.failures}
			for hour := range 6 {
				if got := e.get(endpoint); got.Status != webhook.Enabled {
					t.Fatalf("disabled after %d hours", hour)
				}
				rec.down.Store(!tt.success || hour != 3)
				e.publish(`1`)
				testkit.Must(t, d.Run(t.Context()))
				e.Advance(t, time.Hour+time.Second)
			}
			got := e.get(endpoint)
			if got.Status != tt.want {
				t.Fatalf("%s after 6 failures in 5 hours, want %s", got.Status, tt.want)
			}
			if tt.want == webhook.Disabled && *got.DisabledReason != webhook.DisabledFailing {
				t.Errorf("disabled because %s", *got.DisabledReason)
			}
		})
	}
}
