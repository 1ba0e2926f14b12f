package dispatching_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
)

func (e *engine) redeliver(d webhook.Delivery) (after webhook.Delivery, err error) {
	err = e.App.InOrg(context.Background(), e.org, func(tx pg.Tx) error {
		after, err = recovery.Redeliver(context.Background(), tx, e.org, d.ID)
		return err
	})
	return after, err
}

func isCode(err error, code string) bool {
	f := fault.Of(err)
	return f != nil && f.Code == code
}

func (e *engine) mustRedeliver(d webhook.Delivery) webhook.Delivery {
	e.t.Helper()
	after, err := e.redeliver(d)
	testkit.Must(e.t, err)
	return after
}

// setSchedule sets the waits between the tries of an endpoint, in seconds.
func (e *engine) setSchedule(endpoint id.WebhookEndpoint, waits ...int32) {
	e.t.Helper()
	e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new("custom"), RetrySchedule: waits})
}

// failing receives what is sent and answers 500 while it is to fail.
func failing(t *testing.T) (*testkit.Receiver, *atomic.Bool) {
	fails := &atomic.Bool{}
	fails.Store(true)
	return testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), fails
}

// A redelivery has the tries of a whole schedule again. They go on counting, and the
// log keeps all of them.
func TestRedeliver(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, fails := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 60, 60)
	e.publish(`1`)
	all := func() {
		for range 5 {
			e.dispatch()
			e.Advance(t, 2*time.Minute)
		}
	}
	all()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Failed || d.Attempts != 3 {
		t.Fatalf("before: %+v", d)
	}
	d = e.mustRedeliver(d)
	if d.Status != webhook.Pending || d.Attempts != 3 || d.CompletedAt != nil || d.NextRetryAt == nil || d.NextRetryAt.After(e.Clock.Now().Add(time.Second)) {
		t.Errorf("redelivered: %+v", d)
	}
	all()
	d = e.deliveries(webhook.DeliveryFilter{})[0]
	if d.Status != webhook.Failed || d.Attempts != 6 || len(rec.All()) != 6 {
		t.Errorf("after another schedule: %+v, %d requests", d, len(rec.All()))
	}
	fails.Store(false)
	e.mustRedeliver(d)
	e.dispatch()
	d = e.mustRedeliver(e.deliveries(webhook.DeliveryFilter{Status: webhook.Delivered})[0]) // also what has arrived
	e.dispatch()
	var numbers []int16
	for _, a := range e.attempts(d) {
		numbers = append(numbers, a.Number)
	}
	if want := []int16{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(numbers, want) || e.count(webhook.Delivered) != 1 {
		t.Errorf("attempts %v, want %v", numbers, want)
	}
}

// A pending delivery has its next try now and keeps its place in the schedule.
func TestRedeliverPending(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, _ := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 3600)
	e.publish(`1`)
	e.dispatch()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	e.mustRedeliver(d)
	e.dispatch()
	if d = e.deliveries(webhook.DeliveryFilter{})[0]; d.Status != webhook.Failed || d.Attempts != 2 {
		t.Errorf("after the second of two tries: %+v", d)
	}
}

// Redeliveries at the same time are one: the delivery is sent once, and has one
// schedule.
func TestRedeliverAtTheSameTime(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, fails := failing(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setSchedule(endpoint, 1)
	e.publish(`1`)
	e.dispatch()
	e.Advance(t, 2*time.Minute)
	e.dispatch()
	fails.Store(false)
	d := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})[0]
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := e.redeliver(d); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	e.dispatch()
	if n := len(rec.All()); n != 3 {
		t.Errorf("%d requests, want one for four redeliveries after 2", n)
	}
	if before := testkit.Value[int](t, e.Database, `SELECT tries_before FROM webhook_delivery`); before != 2 {
		t.Errorf("%d tries before the redelivery, want 2", before)
	}
}

// A try that was given up on does not end the redelivery that came after it.
func TestRedeliveryOutlivesAnOldLease(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	begun, stop := make(chan struct{}, 1), make(chan struct{})
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			begun <- struct{}{}
			<-stop
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new("best_effort")})
	e.publish(`1`)
	late := e.dispatcher()
	done := make(chan error, 1)
	go func() { done <- late.Run(context.Background()) }()
	<-begun
	e.Exec(t, `UPDATE webhook_delivery SET status = 'failed', lease = NULL, leased_until = NULL, next_retry_at = NULL, completed_at = portico_now()`)
	e.mustRedeliver(e.deliveries(webhook.DeliveryFilter{})[0])
	close(stop)
	testkit.Must(t, <-done)
	e.dispatch()
	if d := e.deliveries(webhook.DeliveryFilter{})[0]; d.Status != webhook.Delivered {
		t.Errorf("%+v after %d requests", d, len(rec.All()))
	}
}

// What was dropped or expired before does not end a redelivery, whatever the endpoint's
// restrictions. What is dropped after it does.
func TestRedeliverDropped(t *testing.T) {
	t.Parallel()
	for _, limited := range []bool{false, true} {
		t.Run(fmt.Sprint("limited ", limited), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := testkit.NewReceiver(t, nil)
			endpoint, _ := e.endpoint(rec.URL, "*")
			if limited {
				e.setOptions(endpoint, webhook.OptionsChange{RateLimit: new(int32(100))})
			}
			e.setStatus(endpoint, webhook.Disabled, false)
			e.publish(`1`, `2`, `3`)
			e.Advance(t, kept+time.Hour)
			if n := e.failHeld(endpoint); n != 3 {
				t.Fatalf("%d expired", n)
			}
			e.publish(`4`)
			e.Advance(t, time.Second)
			e.setStatus(endpoint, webhook.Enabled, true) // drops 4
			list := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})
			if len(list) != 4 {
				t.Fatalf("%d failed", len(list))
			}
			e.Advance(t, time.Second)
			for _, d := range list[:3] { // 4, which nothing has finished yet, 3 and 2
				if after := e.mustRedeliver(d); after.Status != webhook.Pending || after.LastError != nil {
					t.Errorf("%+v", after)
				}
			}
			e.dispatch()
			if n := len(rec.All()); n != 3 || e.count(webhook.Delivered) != 3 {
				t.Errorf("%d received, %d delivered, want 3", n, e.count(webhook.Delivered))
			}
			e.setStatus(endpoint, webhook.Disabled, false)
			if held := e.mustRedeliver(list[3]); held.Status != webhook.Held {
				t.Errorf("at a disabled endpoint: %+v", held)
			}
			e.Advance(t, time.Second)
			e.setStatus(endpoint, webhook.Enabled, true)
			e.dispatch()
			if n := len(rec.All()); n != 3 || e.count(webhook.Failed) != 1 {
				t.Errorf("%d received after the redelivery was dropped", n)
			}
		})
	}
}

// A redelivery waits for no other delivery of its ordering key, and none waits for it. A
// dropped head that is redelivered lets the next one go.
func TestRedeliverOrdered(t *testing.T) {
	t.Parallel()
	e, rec, endpoint := exhaustedHead(t, webhook.ExhaustionPause)
	list := e.deliveries(webhook.DeliveryFilter{})
	head, behind := list[len(list)-1], list[len(list)-2]
	if head.Status != webhook.Failed || behind.Status != webhook.Pending {
		t.Fatalf("%+v", list)
	}
	if _, err := e.redeliver(behind); !isCode(err, "delivery_waits_in_order") {
		t.Errorf("redelivering what waits in order: %v", err)
	}
	sent := len(rec.All())
	e.mustRedeliver(head)
	e.dispatch()
	if n := len(rec.All()); n != sent+1 {
		t.Errorf("%d requests, want one for the redelivery of the head", n-sent)
	}
	if paused := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_paused_key`); paused != 1 {
		t.Errorf("%d paused keys, want 1", paused)
	}

	e.setStatus(endpoint, webhook.Disabled, false)
	e.publishKeys("other", "other", "other")
	e.Advance(t, time.Second)
	e.setStatus(endpoint, webhook.Enabled, true)
	e.publishKeys("other")
	e.Advance(t, time.Second)
	dropped := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})
	e.mustRedeliver(dropped[2]) // the head of the other key
	e.dispatch()
	if waiting := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_delivery WHERE ordering_key = 'other' AND status = 'pending'`); waiting != 0 {
		t.Errorf("%d wait for a head that was redelivered", waiting)
	}
}

// Each reason not to redeliver has its code.
func TestRedeliverRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	e.Exec(t, `UPDATE webhook_delivery SET attempts = 1000`)
	if _, err := e.redeliver(d); !isCode(err, "delivery_tried_too_often") {
		t.Errorf("tried a thousand times: %v", err)
	}
	e.Exec(t, `UPDATE webhook_delivery SET attempts = 1`)
	e.Exec(t, `DELETE FROM event`)
	if _, err := e.redeliver(d); !isCode(err, "event_not_kept") {
		t.Errorf("without its event: %v", err)
	}
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := webhook.DeleteEndpoint(ctx, tx, e.org, endpoint, e.Clock.Now())
		return err
	})
	if _, err := e.redeliver(d); !isCode(err, "webhook_endpoint_deleted") {
		t.Errorf("of a deleted endpoint: %v", err)
	}
}
