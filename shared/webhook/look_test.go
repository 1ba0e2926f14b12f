package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// A leader that looks all the time wants no notifications. When it wants them
// again, it first says so and then looks once more. In every order of these two
// steps and a publisher's two, either the publisher notifies it, or its look finds
// the delivery.
func TestUnnotifiedInterleavings(t *testing.T) {
	t.Parallel()
	const publisher, dispatcher = 'p', 'd'
	for _, order := range []string{"ppdd", "pdpd", "pddp", "dppd", "dpdp", "ddpp"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			e, ctx := newEngine(t), context.Background()
			e.endpoint("https://example.com/", "*")
			me := uuid.New()
			testkit.Must(t, webhook.StayAwake(ctx, e.Worker, me))
			testkit.Must(t, webhook.Unnotified(ctx, e.Worker, me, true))
			heard := e.listen()
			seen := false
			steps := map[rune][]func(){
				publisher: {
					func() { e.publish(`1`) },
					func() {
						if !e.tell() {
							t.Error("the publisher saw nobody awake")
						}
					},
				},
				dispatcher: {
					func() { testkit.Must(t, webhook.Unnotified(ctx, e.Worker, me, false)) },
					func() {
						next, err := webhook.NextDue(ctx, e.Worker)
						testkit.Must(t, err)
						seen = webhook.IsDue(next)
					},
				},
			}
			for _, who := range order {
				steps[who][0]()
				steps[who] = steps[who][1:]
			}
			if !heard() && !seen {
				t.Error("the event is committed and nobody knows")
			}
		})
	}
}

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
	e.publish(`1`)
	if !e.tell() || !heard() {
		t.Error("the leader is awake without load and was not notified")
	}
	testkit.Await(t, "the last delivery", func() bool { return len(rec.All()) == published+1 })
	stop()
	end()
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
	until := time.Time{}
	renewed := func() bool {
		last := until
		until = testkit.Value[time.Time](t, e.Database, `SELECT coalesce(max(awake_until), 'epoch'::timestamptz) FROM dispatcher`)
		return !until.Equal(last)
	}
	for range 3 { // the first renewals are the dispatcher's beginning
		testkit.Await(t, "the leader to renew its row", renewed)
	}
	wire.Trips()
	testkit.Await(t, "the leader to renew its row again", renewed)
	// A renewal and a look or two in 1.5 s.
	if n := wire.Trips(); n > 7 {
		t.Errorf("an idle leader made %d round trips between two renewals", n)
	}
	stop()
	end()
}

// Retries are made when they are due, although nobody notifies the dispatcher and
// it would not look for an hour. The second one is of the same endpoint and due a
// little later.
func TestRetriesAreLookedFor(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 2 {
			if n == 2 {
				time.Sleep(300 * time.Millisecond) // so that its retry is due later
			}
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{1}})
	e.publish(`1`, `2`)
	d := e.dispatcher()
	d.Idle = time.Hour
	webhook.LookEvery(d, time.Hour)
	ctx, stop := context.WithCancel(context.Background())
	end := e.run(ctx, d)
	testkit.Await(t, "both retries", func() bool { return len(rec.All()) == 4 })
	stop()
	end()
}
