package dispatching_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// expunge does what the API does.
func (e *engine) expunge(expunged id.Event) {
	e.t.Helper()
	testkit.Must(e.t, e.due.Lower(context.Background(), e.Clock.Now()))
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) error {
		_, after, _, err := event.Expunge(ctx, tx, e.org, expunged)
		if err == nil && (after.ExpungedAt == nil || string(after.Data()) != "null") {
			e.t.Errorf("expunged: %+v", after)
		}
		return err
	})
}

// logged returns all that the log of attempts has of responses.
func (e *engine) logged() string {
	e.t.Helper()
	return testkit.Value[string](e.t, e.Database, `
		SELECT coalesce(string_agg(format('%s %s %s', number, error, encode(response_body, 'escape') || encode(exchange, 'escape')), '; ' ORDER BY number), '') FROM webhook_attempt`)
}

// An event is expunged while its second try is being made. The result of that try is
// discarded, nothing of any response stays, and there is no third try.
func TestExpungeInFlight(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	var published id.Event
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 2 {
			e.expunge(published)
		}
		w.Header().Set("X-Seen", "Ada")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("hello Ada"))
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 60, 60, 60)
	published = e.publish(`{"name":"Ada"}`)[0].ID
	e.dispatch()
	if got := e.logged(); !strings.Contains(got, "hello Ada") {
		t.Fatalf("before, the log has %s", got)
	}
	for range 3 {
		e.Advance(t, 2*time.Minute)
		e.dispatch()
	}
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Failed || d.Attempts != 1 || d.CompletedAt == nil || d.NextRetryAt != nil {
		t.Errorf("the delivery is %+v", d)
	}
	if got := len(rec.All()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
	if log := e.attempts(d); len(log) != 1 || len(log[0].ResponseBody) != 0 || log[0].Exchange != nil || *log[0].Error != webhook.ExpungedError || *log[0].StatusCode != 500 {
		t.Errorf("the log is %+v", log)
	}
}

// A delivery of an expunged event that became due all the same, because it was
// redelivered at the same time, fails without a try.
func TestNoStubIsSent(t *testing.T) {
	t.Parallel()
	for _, rate := range []*int32{nil, new(int32(10))} {
		e := newEngine(t)
		rec := testkit.NewReceiver(t, nil)
		endpoint, _ := e.endpoint(rec.URL, "*")
		e.Exec(t, `UPDATE webhook_endpoint SET rate_limit = $1 WHERE id = $2`, rate, endpoint)
		e.expunge(e.publish(`1`)[0].ID)
		e.Exec(t, `UPDATE webhook_delivery SET status = 'pending', next_retry_at = portico_now(), completed_at = NULL`)
		e.dispatch()
		if d := e.deliveries(webhook.DeliveryFilter{})[0]; d.Status != webhook.Failed || len(rec.All()) != 0 {
			t.Errorf("the delivery is %+v, after %d requests", d, len(rec.All()))
		}
	}
}

// The next delivery of the ordering key is due when the one before it, which is tried
// again later, is expunged; and an expunged one that waits is passed over.
func TestExpungeInOrder(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 4)
	e.dispatch()
	events := testkit.Value[[]id.Event](t, e.Database, `SELECT array_agg(id ORDER BY seq) FROM event`)
	e.expunge(events[2])
	e.expunge(events[0])
	e.dispatch() // before the next try of the first one
	if got := fmt.Sprint(numbersOf(t, rec, "a")); got != "[0 1 3]" {
		t.Errorf("received %s, want the first one, once, and two others", got)
	}
	if keys := testkit.Value[int](t, e.Database, `
		SELECT (SELECT count(*) FROM event WHERE ordering_key IS NOT NULL) + (SELECT count(*) FROM webhook_delivery WHERE ordering_key IS NOT NULL)`); keys != 4 {
		t.Errorf("%d rows have the key, want those of two events", keys)
	}
}

// A delivery of an expunged event is not redelivered.
func TestRedeliverExpunged(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.endpoint(testkit.NewReceiver(t, nil).URL, "*")
	published := e.publish(`1`)[0]
	e.dispatch()
	e.expunge(published.ID)
	if _, err := e.redeliver(e.deliveries(webhook.DeliveryFilter{})[0]); !isCode(err, "event_expunged") {
		t.Errorf("redelivered: %v", err)
	}
}
