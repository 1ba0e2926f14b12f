package dispatching_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// newExpiring returns an engine whose organization keeps events for two days.
func newExpiring(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t)
	e.Exec(t, `UPDATE organization SET settings = '{"event_retention_days":2}' WHERE id = $1`, e.org)
	return e
}

// expiry returns the deletion of its events.
func (e *engine) expiry() *event.Expiry {
	e.t.Helper()
	retentions, err := event.ListRetentions(context.Background(), e.Worker, 30*24*time.Hour)
	testkit.Must(e.t, err)
	return retentions.Expiries()[0]
}

// expire deletes what has expired, and returns how many events it was.
func (e *engine) expire() (deleted int64) {
	e.t.Helper()
	x := e.expiry()
	for more := true; more; {
		n, again, err := x.Next(context.Background(), e.Worker)
		testkit.Must(e.t, err)
		deleted, more = deleted+n, again
	}
	return deleted
}

// broken counts events, deliveries and attempts of which a part is missing.
func (e *engine) broken() int {
	e.t.Helper()
	return testkit.Value[int](e.t, e.Database, `
		SELECT (SELECT count(*) FROM webhook_attempt a WHERE NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.event_id = a.event_id AND d.endpoint_id = a.endpoint_id))
			+ (SELECT count(*) FROM webhook_delivery d WHERE NOT EXISTS (SELECT FROM event e WHERE e.id = d.event_id))
			+ (SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.event_id = e.id))
			+ (SELECT count(*) FROM webhook_delivery d WHERE d.attempts <> (SELECT count(*) FROM webhook_attempt a WHERE d.event_id = a.event_id AND d.endpoint_id = a.endpoint_id))`)
}

// While a batch of expired events is being deleted, an old event of the same organization
// and endpoint whose delivery is not finished is sent, and so is a new one.
func TestNothingWaitsForExpiry(t *testing.T) {
	t.Parallel()
	e := newExpiring(t)
	rec, fails := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 60)
	e.publish(`"retried"`)
	e.dispatch()
	fails.Store(false)
	e.publish(`"finished"`)
	e.dispatch()
	e.Advance(t, 3*24*time.Hour)
	expiry := e.expiry()
	reached, release := e.Hold(t, `AFTER DELETE ON event_external_id`)
	var deleted int64
	done := make(chan error, 1)
	go func() {
		var err error
		deleted, _, err = expiry.Next(context.Background(), e.Worker)
		done <- err
	}()
	reached()
	e.publish(`"new"`)
	e.dispatch()
	e.Advance(t, time.Second)
	if n := e.count(webhook.Delivered); n != 3 || len(rec.All()) != 4 { // the one that is being deleted is still seen
		t.Errorf("while a batch is open, %d are delivered, want 3; %d requests, want 4", n, len(rec.All()))
	}
	release()
	testkit.Must(t, <-done)
	if n := e.count(webhook.Delivered); deleted != 1 || n != 2 || e.broken() != 0 {
		t.Errorf("%d events deleted, want 1; %d deliveries are left, want 2; %d are broken", deleted, n, e.broken())
	}
	if n := e.expire(); n != 1 || e.count(webhook.Delivered) != 1 || e.broken() != 0 {
		t.Errorf("afterwards %d events deleted, want the one that was retried", n)
	}
}

// A redelivery that comes while its event is being deleted finds no delivery. If it
// comes first, the event stays with all that belongs to it, and is sent.
func TestRedeliverWhileExpiring(t *testing.T) {
	t.Parallel()
	e, ctx := newExpiring(t), context.Background()
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	e.Advance(t, 3*24*time.Hour)
	begun, err := e.Admin.Begin(ctx) // the redelivery has not committed
	testkit.Must(t, err)
	_, err = begun.Exec(ctx, `UPDATE webhook_delivery SET status = 'pending', next_retry_at = portico_now(), completed_at = NULL, redelivered_at = portico_now(), tries_before = attempts`)
	testkit.Must(t, err)
	deleted := e.expire()
	testkit.Must(t, begun.Commit(ctx))
	if again := e.expire(); deleted != 0 || again != 0 {
		t.Errorf("%d and %d events deleted although their delivery was made due again", deleted, again)
	}
	e.dispatch()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if log := e.attempts(d); d.Status != webhook.Delivered || len(log) != 2 || log[1].Number != 2 || len(rec.All()) != 2 || e.broken() != 0 {
		t.Errorf("redelivered: %+v, log %+v, %d requests", d, log, len(rec.All()))
	}

	expiry := e.expiry()
	reached, release := e.Hold(t, `BEFORE DELETE ON event`)
	done, redelivered := make(chan error, 1), make(chan error, 1)
	go func() { _, _, err := expiry.Next(ctx, e.Worker); done <- err }()
	reached()
	go func() { _, err := e.redeliver(d); redelivered <- err }()
	e.AwaitLockWait(t)
	release()
	testkit.Must(t, <-done)
	if err := <-redelivered; !isCode(err, "delivery_not_found") {
		t.Errorf("a redelivery during the deletion: %v", err)
	}
	if n := testkit.Value[int](t, e.Database, `SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM webhook_delivery) + (SELECT count(*) FROM webhook_attempt)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// Customers redeliver at random while expired events are deleted. Each redelivery that
// was accepted is kept whole, and each event without one is gone.
func TestRedeliverBesideExpiry(t *testing.T) {
	t.Parallel()
	e, ctx := newExpiring(t), context.Background()
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	for range 6 {
		e.publish(slices.Repeat([]string{`1`}, 50)...)
	}
	e.dispatch()
	all := e.deliveries(webhook.DeliveryFilter{})
	e.Advance(t, 3*24*time.Hour)
	expiry := e.expiry()
	accepted := map[string]bool{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	start := make(chan struct{})
	for range 3 {
		wait.Go(func() {
			<-start
			for range 60 {
				d := all[rand.IntN(len(all))]
				_, err := e.redeliver(d)
				if err != nil && !isCode(err, "delivery_not_found") {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					accepted[d.ID.String()] = true
					mu.Unlock()
				}
			}
		})
	}
	close(start)
	testkit.Await(t, "a redelivery", func() bool { mu.Lock(); defer mu.Unlock(); return len(accepted) > 5 })
	_, _, err := expiry.Next(ctx, e.Worker)
	testkit.Must(t, err)
	wait.Wait()
	left := e.expire()
	t.Logf("%d redeliveries were accepted, %d of %d events were locked at first", len(accepted), left, len(all))
	now := e.deliveries(webhook.DeliveryFilter{})
	if len(now) != len(accepted) || e.broken() != 0 {
		t.Errorf("%d deliveries are left, want %d; %d are broken", len(now), len(accepted), e.broken())
	}
	for _, d := range now {
		if !accepted[d.ID.String()] || d.Status != webhook.Pending {
			t.Errorf("left: %+v", d)
		}
	}
}
