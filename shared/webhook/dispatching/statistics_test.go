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
	"portico/shared/webhook/statistics"
)

// When a dispatcher sleeps, the statistics of each endpoint are those of the tries in the
// log, and its lag is the age of the oldest delivery that waits.
func TestEndpointStatistics(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.StopClock(t)
	good := testkit.NewReceiver(t, nil)
	bad := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n%3 == 0 {
			<-r.Context().Done() // no response
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	works, _ := e.endpoint(good.URL, "*")
	fails, _ := e.endpoint(bad.URL, "*")
	e.setOptions(fails, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{60}})
	e.publish(`1`, `2`, `3`)
	e.dispatch()
	e.Advance(t, 10*time.Minute)
	e.publish(`4`)
	e.dispatch()
	e.Advance(t, 10*time.Minute)
	e.dispatch()
	if n := len(bad.All()); n < 6 {
		t.Fatalf("the failing receiver got %d requests, want more", n)
	}
	for _, endpoint := range []id.WebhookEndpoint{works, fails} {
		var got statistics.Statistics
		e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
			got, err = statistics.Of(ctx, tx, e.org, endpoint, 2, e.Clock.Now().Add(time.Second))
			return err
		})
		logged := testkit.Value[[]int64](t, e.Database, `
			SELECT ARRAY[count(*) FILTER (WHERE error IS NULL), count(*) FILTER (WHERE error IS NOT NULL),
				(SELECT count(*) FROM webhook_delivery d WHERE d.endpoint_id = $1 AND d.status = 'failed'), count(status_code)]
			FROM webhook_attempt WHERE endpoint_id = $1`, endpoint)
		answered := testkit.Value[int64](t, e.Database, `SELECT sum(n) FROM webhook_stat, unnest(latencies) n WHERE endpoint_id = $1`, endpoint)
		counted := []int64{got.Succeeded, got.Failed, got.Dead, answered}
		if !slices.Equal(counted, logged) || got.P50 == nil || *got.P50 > *got.P95 {
			t.Errorf("counted are %v (succeeded, failed, dead, answered), the log has %v; %+v", counted, logged, got.Sum)
		}
	}
}

// The lag of an endpoint is how long its oldest delivery has been waiting although its
// time has come.
func TestLag(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.StopClock(t)
	endpoint, _ := e.endpoint("https://receiver.example.com/", "*")
	lag := func() (seconds float64) {
		e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
			healths, err := webhook.Healths(ctx, tx, e.org, []webhook.Endpoint{{ID: endpoint}})
			seconds = healths[endpoint].Lag
			return err
		})
		return seconds
	}
	for _, step := range []struct {
		name string
		do   func()
		want float64
	}{
		{"at first", func() {}, 0},
		{"waiting", func() { e.publish(`1`); e.Advance(t, time.Minute) }, 60},
		{"with a younger one", func() { e.publish(`2`); e.Advance(t, time.Minute) }, 120},
		{"held", func() {
			e.change(endpoint, webhook.EndpointChange{Status: new(webhook.Disabled)})
			e.Advance(t, time.Minute)
		}, 180},
		{"dropped", func() { e.change(endpoint, webhook.EndpointChange{Status: new(webhook.Enabled), DropHeld: true}) }, 0},
		{"to be tried later", func() {
			e.publish(`3`)
			e.Exec(t, `UPDATE webhook_delivery SET next_retry_at = portico_now() + interval '1 hour'`)
		}, 0},
		{"behind others with its key", func() { e.Exec(t, `UPDATE webhook_delivery SET next_retry_at = 'infinity'`) }, 0},
	} {
		step.do()
		if got := lag(); got != step.want {
			t.Errorf("%s: %v seconds, want %v", step.name, got, step.want)
		}
	}
}
