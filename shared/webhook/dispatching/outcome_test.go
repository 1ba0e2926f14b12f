package dispatching_test

import (
	"net/http"
	"testing"
	"time"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// A failed try is repeated as scheduled, or later: when the receiver asks for
// it within the hour, or by itself when it is overloaded.
func TestWaitFor(t *testing.T) {
	for _, tt := range []struct {
		name      string
		scheduled time.Duration
		code      int
		hint      sending.Hint
		want      time.Duration
	}{
		{"an error", time.Minute, 500, sending.Hint{}, time.Minute},
		{"no response", time.Minute, 0, sending.Hint{}, time.Minute},
		{"a restarting receiver behind a gateway", time.Minute, 502, sending.Hint{}, time.Minute},
		{"too many requests", 5 * time.Minute, 429, sending.Hint{}, 10 * time.Minute},
		{"unavailable", 5 * time.Minute, 503, sending.Hint{}, 10 * time.Minute},
		{"a gateway's timeout", 5 * time.Minute, 504, sending.Hint{}, 10 * time.Minute},
		{"a timeout", 5 * time.Minute, 0, sending.Hint{TimedOut: true}, 10 * time.Minute},
		{"a timeout after the header", 5 * time.Minute, 200, sending.Hint{TimedOut: true}, 10 * time.Minute},
		{"a timeout that is soon repeated", 5 * time.Second, 0, sending.Hint{TimedOut: true}, time.Minute},
		{"too many requests, soon repeated", 5 * time.Second, 429, sending.Hint{}, time.Minute},
		{"asked to wait", time.Minute, 429, sending.Hint{RetryAfter: 10 * time.Minute}, 10 * time.Minute},
		{"asked to wait after an error", time.Minute, 500, sending.Hint{RetryAfter: 10 * time.Minute}, 10 * time.Minute},
		{"asked to wait less than scheduled", time.Minute, 503, sending.Hint{RetryAfter: time.Second}, time.Minute},
		{"asked to wait for a day", time.Minute, 503, sending.Hint{RetryAfter: 24 * time.Hour}, time.Hour},
		{"asked to wait for a day, scheduled for later than an hour", 2 * time.Hour, 503, sending.Hint{RetryAfter: 24 * time.Hour}, 2 * time.Hour},
	} {
		if got := dispatching.WaitFor(tt.scheduled, tt.code, tt.hint); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A receiver's answer can change the time of the next try, but not the number of
// tries.
func TestRetryMoves(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	stop := make(chan struct{})
	defer close(stop)
	answer := func(code int, after string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		policy string
		status webhook.Status
		wait   time.Duration
	}{
		{"fails", answer(500, ""), webhook.RetryDefault, webhook.Pending, time.Minute},
		{"fails and names a time", answer(500, "90"), webhook.RetryDefault, webhook.Pending, 90 * time.Second},
		{"redirects and names a time", answer(307, "90"), webhook.RetryDefault, webhook.Pending, 90 * time.Second},
		{"is overloaded", answer(429, ""), webhook.RetryDefault, webhook.Pending, 2 * time.Minute},
		{"is overloaded for long", answer(503, "86400"), webhook.RetryDefault, webhook.Pending, time.Hour},
		{"does not answer", func(_ int, _ http.ResponseWriter, _ *http.Request) { <-stop }, webhook.RetryDefault, webhook.Pending, 2 * time.Minute},
		{"names a time after its last try", answer(429, "90"), webhook.RetryBestEffort, webhook.Failed, 0},
	}
	for i := range tests {
		endpoint, _ := e.endpoint(testkit.NewReceiver(t, tests[i].answer).URL, "*")
		e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: &tests[i].policy})
		defer func(name string, status webhook.Status, wait time.Duration) {
			d := e.deliveries(webhook.DeliveryFilter{EndpointID: endpoint})[0]
			if d.Status != status || d.Attempts != 1 {
				t.Errorf("a receiver that %s: %+v", name, d)
			}
			if status == webhook.Pending {
				tried := e.attempts(d)[0]
				if off := d.NextRetryAt.Sub(tried.StartedAt.Add(tried.Latency)) - wait; off.Abs() > 5*time.Second {
					t.Errorf("a receiver that %s: tried again %s off %s", name, off, wait)
				}
			}
		}(tests[i].name, tests[i].status, tests[i].wait)
	}
	e.publish(`{}`)
	e.dispatch()
}
