package dispatching_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// lateAnswer returns an engine whose first request was answered with a status
// after its lease had ended. Another dispatcher has delivered in between.
func lateAnswer(t *testing.T, status int, o webhook.OptionsChange) (*engine, id.WebhookEndpoint, *testkit.Receiver) {
	t.Helper()
	e, ctx := newEngine(t), context.Background()
	var late atomic.Bool
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > 1 {
			return
		}
		late.Store(true)
		e.Advance(t, dispatching.LeaseFor+time.Second)
		testkit.Await(t, "the delivery under another lease", func() bool {
			claims, err := dispatching.ClaimDue(ctx, e.Worker, 1, dispatching.LeaseFor)
			if err == nil && len(claims) == 1 {
				_, err = dispatching.Complete(ctx, e.Worker, delivered(claims))
			}
			if err != nil {
				t.Error(err)
			}
			return testkit.Value[bool](t, e.Database, `SELECT EXISTS (SELECT FROM webhook_delivery WHERE status = 'delivered')`)
		})
		w.WriteHeader(status)
	})
	watch := testkit.NewReceiver(t, nil)
	e.endpoint(watch.URL, "webhook_endpoint.*", "delivery.*")
	endpoint, _ := e.endpoint(rec.URL, "invoice.paid")
	o.TimeoutSeconds = new(int16(30))
	e.setOptions(endpoint, o)
	e.publish(`1`)
	d := e.dispatcher()
	d.Sender = e.localSender(time.Minute)
	testkit.Must(t, d.Run(ctx))
	if !late.Load() || !strings.Contains(e.lines.String(), `"LeaseLost":1`) {
		t.Fatalf("no result came late: %s", e.lines)
	}
	e.dispatch()
	return e, endpoint, watch
}

// A result without a valid lease has no effect on the endpoint; the result of the
// other dispatcher has.
func TestLateResultJudgesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		change webhook.OptionsChange
	}{
		{"gone", http.StatusGone, webhook.OptionsChange{}},
		{"the last try failed", http.StatusInternalServerError, webhook.OptionsChange{RetryPolicy: new(webhook.RetryBestEffort)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, endpoint, watch := lateAnswer(t, tt.status, tt.change)
			if got := e.get(endpoint); got.Status != webhook.Enabled {
				t.Errorf("the endpoint is %s", got.Status)
			}
			if types, data := notices(watch); len(types) > 0 {
				t.Errorf("told %v: %v", types, data)
			}
			if n := testkit.Value[int](t, e.Database, `SELECT sum(failures) FROM webhook_lane`); n != 0 {
				t.Errorf("%d failures are counted", n)
			}
			if lines := e.lines.String(); strings.Contains(lines, `"Failed":1`) || strings.Contains(lines, `"Exhausted":1`) {
				t.Errorf("lines count the late result: %s", lines)
			}
		})
	}
}
