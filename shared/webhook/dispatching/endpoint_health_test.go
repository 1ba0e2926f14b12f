package dispatching_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/pg"
	"portico/shared/webhook"
)

// health is one endpoint's, in a form for comparison.
func (e *engine) health(endpoint webhook.Endpoint) string {
	e.t.Helper()
	var h webhook.EndpointHealth
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) error {
		healths, err := webhook.Healths(ctx, tx, e.org, []webhook.Endpoint{endpoint})
		h = healths[endpoint.ID]
		return err
	})
	last := "none failed"
	if h.LastFailedAt != nil {
		last = fmt.Sprintf("%s (%d)", *h.LastError, *h.LastStatusCode)
	}
	return fmt.Sprintf("%d failures, failing %v, %s, backlog %d, %s", h.Failures, h.FailingSince != nil, h.Breaker, h.Backlog, last)
}

// An endpoint's health says since when and why it fails, the state of its breaker
// and its backlog. The last failure is still shown after it has recovered. Each
// delivery tells its last answer, and the dispatcher's line names who fails.
func TestEndpointHealth(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := newSwitchable(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	expect := func(when, want string) {
		t.Helper()
		if got := e.health(e.get(endpoint)); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("at first", "0 failures, failing false, closed, backlog 0, none failed")
	e.publish(`0`)
	e.dispatch()
	if strings.Contains(e.lines.String(), "failed_endpoints") {
		t.Errorf("a line names failed endpoints although none failed: %s", e.lines)
	}
	rec.down.Store(true)
	e.publish(`1`, `2`, `3`, `4`, `5`, `6`)
	expect("before the first try", "0 failures, failing false, closed, backlog 6, none failed")
	e.dispatch()
	expect("when all fail", "6 failures, failing true, open, backlog 6, answered 503, expected 2xx (503)")
	if line := fmt.Sprintf(`"endpoint_id":%q,"failures":`, endpoint); !strings.Contains(e.lines.String(), line) || !strings.Contains(e.lines.String(), `"last_error":"answered 503, expected 2xx"`) {
		t.Errorf("no line has %s: %s", line, e.lines)
	}
	for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Pending}) {
		if d.LastStatusCode == nil || *d.LastStatusCode != 503 || d.LastError == nil || *d.LastError != "answered 503, expected 2xx" {
			t.Errorf("%+v", d)
		}
	}
	e.Advance(t, 10*time.Minute)
	expect("when the breaker may probe", "6 failures, failing true, probing, backlog 6, answered 503, expected 2xx (503)")
	rec.down.Store(false)
	e.dispatch()
	expect("when it has recovered", "0 failures, failing false, closed, backlog 0, answered 503, expected 2xx (503)")
	for _, d := range e.deliveries(webhook.DeliveryFilter{Status: webhook.Delivered}) {
		if d.LastStatusCode == nil || *d.LastStatusCode != 200 || d.LastError != nil {
			t.Errorf("%+v", d)
		}
	}
}
