package dispatching_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/claim"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// hanging is a receiver that answers only when released.
func hanging(t *testing.T) (rec *testkit.Receiver, release func()) {
	t.Helper()
	hang := make(chan struct{})
	rec = testkit.NewReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	return rec, func() { close(hang) }
}

// run starts a dispatcher; what it returns waits for its end.
func (e *engine) run(ctx context.Context, d *dispatching.Dispatcher) (end func() error) {
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() error { return <-done }
}

// A dispatcher that is short of time does not count as awake while its last
// request hangs: a publisher then sends a nudge, and there is already a nudge for
// what is due. If its last result makes something due, that gets a nudge too.
func TestHandOverBeforeTheLastRequestEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, release := hanging(t)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{Ordered: new(true)})
	e.publishKeys("a", "a")
	d := e.dispatcher()
	d.Sender, d.Idle = e.localSender(time.Minute), time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), dispatching.LeaseFor+5*time.Second)
	defer cancel()
	end := e.run(ctx, d)
	testkit.Await(t, "a request in flight", func() bool { return len(rec.All()) == 1 })
	testkit.Await(t, "the dispatcher to give up its row", func() bool { return !e.tell() })
	if n := e.nudges.Depth().Visible; n != 0 || len(rec.All()) != 1 {
		t.Errorf("%d nudges with nothing due, %d requests", n, len(rec.All()))
	}
	release()
	testkit.Must(t, end())
	if n := e.count(webhook.Delivered); n != 1 {
		t.Errorf("%d delivered, want the one that was in flight", n)
	}
	if n := e.nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges for the next of the key, want 1", n)
	}
}

// Due deliveries are left to another awake dispatcher, unless they are overdue:
// then that dispatcher is dead or overloaded.
func TestHandOverToWhoIsAwake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		awake  bool
		late   time.Duration
		nudges int
	}{
		{"nobody is awake", false, 0, 1},
		{"another is awake", true, 0, 0},
		{"another is awake and does nothing", true, 10 * time.Second, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.endpoint("https://example.com/", "*")
			e.publish(`{}`)
			e.Advance(t, tt.late)
			if tt.awake {
				e.awake(1)
			}
			ctx, cancel := context.WithTimeout(context.Background(), dispatching.LeaseFor) // no time for a request
			defer cancel()
			testkit.Must(t, e.dispatcher().Run(ctx))
			if n := e.nudges.Depth().Visible; n != tt.nudges {
				t.Errorf("%d nudges, want %d", n, tt.nudges)
			}
		})
	}
}

// Of several awake dispatchers only the leader stays awake for Idle.
func TestHelperSleepsSoon(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.awake(1)
	d := e.dispatcher()
	d.Idle = time.Hour
	var err error
	var ended atomic.Bool
	go func() { err = d.Run(context.Background()); ended.Store(true) }()
	testkit.Await(t, "the helper to sleep", ended.Load)
	testkit.Must(t, err)
}

// An endpoint that answers slowly and has more due than one dispatcher may send
// to it at once gets a second one.
func TestSlowEndpointGetsASecondDispatcher(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	first, others := make(chan struct{}), make(chan struct{})
	rec := testkit.NewReceiver(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		answer := others
		if n == 1 {
			answer = first
		}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	})
	e.endpoint(rec.URL, "*")
	e.publish(strings.Split(strings.Repeat("1,", 10)+"1", ",")...)
	d := e.dispatcher()
	d.Sender, d.Concurrency = e.localSender(time.Minute), 8
	end := e.run(context.Background(), d)
	testkit.Await(t, "half of the slots to be taken", func() bool { return len(rec.All()) == 4 })
	e.awaitRenewal() // more than a second: a slow answer
	close(first)
	testkit.Await(t, "the free slot to be taken", func() bool { return len(rec.All()) == 5 })
	testkit.Await(t, "a nudge", func() bool { return e.nudges.Depth().Visible > 0 })
	second := e.dispatcher()
	second.Sender, second.Concurrency = d.Sender, 8
	endSecond := e.run(context.Background(), second)
	testkit.Await(t, "half of the second's slots to be taken", func() bool { return len(rec.All()) == 9 })
	close(others)
	testkit.Must(t, errors.Join(end(), endSecond()))
	if n := e.count(webhook.Delivered); n != 11 {
		t.Errorf("%d delivered, want 11", n)
	}
}

// A dispatcher continues after short failures of DynamoDB and Postgres. A longer
// failure ends it, and its row is deleted.
func TestDispatcherSurvivesFailedWrites(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	var refused atomic.Int64
	d := e.dispatcher()
	d.Waker = e.waker(e.dueRefusing(&refused, 3))
	sessions := make([]*pgxpool.Conn, e.Worker.Config().MaxConns)
	for i := range sessions { // as after a failover
		var err error
		sessions[i], err = e.Worker.Acquire(t.Context())
		testkit.Must(t, err)
		_, err = sessions[i].Exec(t.Context(), `SET default_transaction_read_only = on`)
		testkit.Must(t, err)
	}
	for _, s := range sessions {
		s.Release()
	}
	testkit.Must(t, d.Run(context.Background()))
	if len(rec.All()) != 1 || e.count(webhook.Delivered) != 1 || refused.Load() != 3 {
		t.Errorf("%d requests, %d delivered after %d refused writes", len(rec.All()), e.count(webhook.Delivered), refused.Load())
	}

	e.publish(`2`)
	d.Waker = e.waker(e.dueRefusing(&refused, 1<<30))
	if err := d.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "Due.Lower") {
		t.Errorf("a dispatcher that can do nothing ended with %v", err)
	}
	if e.tell() {
		t.Error("its row is still there")
	}
}

// dueRefusing is the due time behind a DynamoDB that refuses so many writes.
func (e *engine) dueRefusing(refused *atomic.Int64, most int64) *claim.Due {
	e.t.Helper()
	client := testkit.DynamoDBThrough(e.t, testkit.DynamoDBEndpoint(e.t), func(string, string) bool {
		return refused.Load() < most && refused.Add(1) > 0
	})
	_, table := testkit.Table(e.t, testkit.DynamoDBEndpoint(e.t), "id")
	return claim.NewDue(client, table, webhook.Queue, pg.Home, e.Clock)
}

// A dispatcher replaces the session that it listens on and still gets
// notifications.
func TestListenerIsRenewed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	d := e.dispatcher()
	d.Idle = time.Hour
	d.LookEvery = time.Hour
	d.ListenFor = 300 * time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	end := e.run(ctx, d)
	listener := func() int {
		return testkit.Value[int](t, e.Database, `
			SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	}
	var first int
	testkit.Await(t, "a listener", func() bool { first = listener(); return first > 0 })
	testkit.Await(t, "another listener", func() bool { now := listener(); return now > 0 && now != first })
	e.publish(`1`)
	testkit.Await(t, "the delivery", func() bool { e.tell(); return len(rec.All()) > 0 })
	stop()
	_ = end()
}
