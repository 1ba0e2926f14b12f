package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
)

// nudge is an SQS event with one message, as the event source mapping sends it.
const nudge = `{"Records":[{"messageId":"1","receiptHandle":"1","body":"{}","eventSource":"aws:sqs"}]}`

// A receiver that answers 500 and then 200 gets exactly one successful
// delivery, after the minute that the schedule says.
func TestRetry(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	rec := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint, _ := c.endpoint(rec.URL)
	event := c.publish(`1`)
	testkit.Await(t, "the failed attempt", func() bool { return c.deliveries(endpoint)[0].AttemptCount == 1 })
	testkit.Must(t, s.SetClockOffset(t.Context(), 30*time.Second))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	testkit.Must(t, s.SetClockOffset(t.Context(), 67*time.Second))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	testkit.Await(t, "the retry", func() bool { return c.deliveries(endpoint)[0].Status == "delivered" })
	testkit.Must(t, s.SetClockOffset(t.Context(), 240*time.Hour))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	d := c.deliveries(endpoint)[0]
	if rec.count(event) != 2 || d.AttemptCount != 2 || *d.Attempts[0].StatusCode != 500 || *d.Attempts[1].StatusCode != 200 {
		t.Errorf("%d requests, delivery %+v", rec.count(event), d)
	}
}

// A dispatcher that is killed in mid-batch loses nothing: while its leases are
// valid nothing is sent twice, and after they expire the rest is delivered.
func TestKilledDispatcher(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	const n = 40
	block := make(chan struct{})
	rec := newReceiver(t, func(request int, _ http.ResponseWriter, r *http.Request) {
		if request <= n { // the first tries
			select {
			case <-block:
			case <-r.Context().Done():
			}
		}
	})
	c.endpoint(rec.URL)
	c.publishBatch(n)
	testkit.Await(t, "all requests in flight", func() bool { return rec.count("") == n })
	testkit.Must(t, s.Kill("dispatcher"))
	close(block)

	// Another dispatcher finds nothing to claim.
	_, err := s.Invoke(t.Context(), "dispatcher", []byte(nudge))
	testkit.Must(t, err)
	if got := rec.count(""); got != n {
		t.Fatalf("%d requests while the leases hold, want %d", got, n)
	}
	testkit.Must(t, s.SetClockOffset(t.Context(), sending.MaxTimeout+10*time.Second))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	testkit.Await(t, "every event's delivery", func() bool { return pending(t, s) == 0 })
	for event, times := range rec.events() {
		if times != 2 {
			t.Errorf("%s arrived %d times, want 2: the killed try and one more", event, times)
		}
	}
	if len(rec.events()) != n {
		t.Errorf("%d of %d events arrived", len(rec.events()), n)
	}
}

// Postgres crashes and restarts during a run: every accepted event is delivered,
// and publishing continues.
func TestPostgresRestart(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	rec := newReceiver(t, nil)
	c.endpoint(rec.URL)
	var accepted sync.Map
	var n, refused atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				event, calls := c.publishUntilAccepted(fmt.Sprintf("%d-%d", p, i))
				accepted.Store(event, true)
				n.Add(1)
				refused.Add(calls - 1)
			}
		})
	}
	testkit.Await(t, "50 events", func() bool { return n.Load() > 50 })
	before := n.Load()
	testkit.Must(t, s.RestartPostgres(t.Context()))
	testkit.Await(t, "50 events more", func() bool { return n.Load() > before+50 })
	stop()
	publishers.Wait()
	// Deliveries that were in flight at the crash wait for the end of their lease.
	testkit.Must(t, s.SetClockOffset(t.Context(), time.Minute))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	testkit.Await(t, "every delivery", func() bool { return pending(t, s) == 0 })
	arrived := rec.events()
	accepted.Range(func(event, _ any) bool {
		if arrived[event.(string)] == 0 {
			t.Errorf("%s was accepted and never arrived", event)
		}
		return true
	})
	if int64(len(arrived)) != n.Load() {
		t.Errorf("%d events arrived, %d were accepted", len(arrived), n.Load())
	}
	t.Logf("%d events, %d calls refused during the restart", n.Load(), refused.Load())
}

// publishUntilAccepted does what a customer's program should do: it repeats the
// call with the same key until an answer comes. Only a 503 may be repeated.
func (c customer) publishUntilAccepted(key string) (event string, calls int64) {
	for {
		calls++
		status, reply, _ := c.Try("POST", "/v1/events", `{"type":"a","data":"`+key+`"}`, "Idempotency-Key", key)
		switch status {
		case http.StatusAccepted:
			return jsonField(c.t, reply, "id"), calls
		case http.StatusServiceUnavailable, http.StatusConflict:
		default:
			c.t.Errorf("%d %s", status, reply)
			return "", calls
		}
	}
}

// Two dispatchers at once share the work: every event arrives once.
func TestTwoDispatchers(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	rec := newReceiver(t, nil)
	c.endpoint(rec.URL)
	var dispatchers sync.WaitGroup
	for range 2 {
		dispatchers.Go(func() {
			if _, err := s.Invoke(t.Context(), "dispatcher", []byte(nudge)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 10 {
		c.publishBatch(100)
	}
	dispatchers.Wait()
	testkit.Await(t, "every delivery", func() bool { return pending(t, s) == 0 })
	if stats, err := s.Stats("dispatcher"); err != nil || stats.Processes < 2 {
		t.Errorf("%+v (%v): not two dispatchers", stats, err)
	}
	for event, times := range rec.events() {
		if times != 1 {
			t.Errorf("%s arrived %d times", event, times)
		}
	}
	if len(rec.events()) != 1000 {
		t.Errorf("%d of 1000 events arrived", len(rec.events()))
	}
}

// A dispatcher that has fallen asleep is woken by the next publish.
func TestWake(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	rec := newReceiver(t, nil)
	c.endpoint(rec.URL)
	for range 3 {
		event := c.publish(`1`)
		testkit.Await(t, "the delivery", func() bool { return rec.count(event) == 1 })
		testkit.Await(t, "the dispatcher's sleep", func() bool { return count(t, s, `SELECT count(*) FROM dispatcher`) == 0 })
	}
}

func pending(t *testing.T, s stacktest.Stack) int {
	t.Helper()
	return count(t, s, `SELECT count(*) FROM webhook_delivery WHERE status = 'pending'`)
}
