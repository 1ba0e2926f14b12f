package dispatching_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// listen returns a function that reports whether a notification for dispatchers
// came since.
func (e *engine) listen() (heard func() bool) {
	e.t.Helper()
	conn := e.Session(e.t, "portico_worker")
	testkit.Exec(e.t, conn, `LISTEN webhook_delivery`)
	return func() bool {
		testkit.Exec(e.t, conn, `SELECT`) // delivers what has come
		soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		n, _ := conn.WaitForNotification(soon)
		return n != nil
	}
}

// While many events are published the leader looks and is not notified; when few
// are, it is notified again, and looks rarely.
func TestLeaderLooksUnderLoad(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	d := e.dispatcher()
	d.Idle = time.Hour
	ctx, stop := context.WithCancel(context.Background())
	end := e.run(ctx, d)
	unnotified := func() bool {
		return testkit.Value[bool](t, e.Database, `SELECT coalesce(bool_or(unnotified), false) FROM dispatcher`)
	}
	published := 0
	testkit.Await(t, "the leader to want no notifications", func() bool {
		e.publish(`1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`)
		published += 8
		e.tell()
		return unnotified()
	})
	e.publish(`1`) // nobody is notified of this one
	published++
	testkit.Await(t, "all deliveries", func() bool { return len(rec.All()) == published })
	testkit.Await(t, "the leader to want notifications", func() bool { return !unnotified() })
	heard := e.listen()
	// If a look was slow, the leader may change its mind twice before it is idle.
	testkit.Await(t, "the leader to be notified", func() bool {
		e.publish(`1`)
		published++
		return e.tell() && heard()
	})
	testkit.Await(t, "the last delivery", func() bool { return len(rec.All()) == published })
	stop()
	end()
}

// awaitRenewal waits until an awake dispatcher has renewed its row.
func (e *engine) awaitRenewal() {
	e.t.Helper()
	until := func() time.Time {
		return testkit.Value[time.Time](e.t, e.Database, `SELECT coalesce(max(awake_until), 'epoch'::timestamptz) FROM dispatcher`)
	}
	last := until()
	testkit.Await(e.t, "a dispatcher to renew its row", func() bool { return !until().Equal(last) })
}

// A leader without work asks Postgres about once a second.
func TestIdleLeaderLooksRarely(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	wire := testkit.NewWire(t, e.URL("portico_worker"))
	worker, err := pg.OpenWorker(context.Background(), wire.URL, 4)
	testkit.Must(t, err)
	t.Cleanup(worker.Close)
	d := e.dispatcher()
	d.DB, d.Idle = worker, time.Hour
	ctx, stop := context.WithCancel(context.Background())
	end := e.run(ctx, d)
	e.awaitRenewal() // it begins
	e.awaitRenewal()
	wire.Trips()
	e.awaitRenewal()
	// A renewal and a look or two in 1.5 s.
	if n := wire.Trips(); n > 7 {
		t.Errorf("an idle leader made %d round trips between two renewals", n)
	}
	stop()
	end()
}

// Retries are made when they are due, although nobody notifies the dispatcher and
// it would not look for an hour. The second one is of the same endpoint and due
// later.
func TestRetriesAreLookedFor(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	second := make(chan struct{})
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 2 {
			return
		}
		if n == 2 {
			select {
			case <-second:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{2}})
	e.publish(`1`, `2`)
	d := e.dispatcher()
	d.Idle = time.Hour
	d.LookEvery = time.Hour
	d.ListenFor = time.Hour // a new session looks, too
	ctx, stop := context.WithCancel(context.Background())
	end := e.run(ctx, d)
	testkit.Await(t, "both requests", func() bool { return len(rec.All()) == 2 })
	e.awaitRenewal() // so that the second one fails more than a second later
	close(second)
	testkit.Await(t, "both retries", func() bool { return len(rec.All()) == 4 })
	stop()
	end()
	// The end of the first lease makes the dispatcher look as well.
	late := testkit.Value[int](t, e.Database, `
		SELECT count(*) FROM webhook_attempt a JOIN webhook_attempt b USING (event_id)
		WHERE a.number = 1 AND b.number = 2 AND b.started_at - a.started_at > $1`, dispatching.LeaseFor/2)
	if late != 0 {
		t.Errorf("%d retries were made when the leases ended", late)
	}
}
