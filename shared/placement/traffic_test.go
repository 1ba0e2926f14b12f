package placement_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// traffic publishes events of an organization and delivers them, in whichever
// database it lives.
type traffic struct {
	*pair
	wakers map[string]*claim.Waker
	nudges *local.Queue

	mu       sync.Mutex
	accepted map[string]bool     // by the event's id
	received map[string][]string // of each ordering key, in the order of arrival
	publish  map[string]int      // by the database that took the event
}

func newTraffic(p *pair) *traffic {
	p.t.Helper()
	tr := &traffic{pair: p, wakers: map[string]*claim.Waker{}, accepted: map[string]bool{}, received: map[string][]string{}, publish: map[string]int{}}
	client, table := testkit.Table(p.t, testkit.DynamoDBEndpoint(p.t), "id")
	var nudge *queue.Sender
	tr.nudges, nudge = awstest.Queue(p.t)
	for name, d := range p.at {
		tr.wakers[name] = &claim.Waker{Queue: webhook.Queue, Database: name, Due: claim.NewDue(client, table, webhook.Queue, name, d.Clock), Nudge: nudge}
	}
	return tr
}

// receiver accepts every delivery and notes its event and ordering key.
func (tr *traffic) receiver() string {
	return testkit.NewReceiver(tr.t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		var body struct {
			Data struct{ Key string } `json:"data"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			tr.t.Error(err)
		}
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.received[body.Data.Key] = append(tr.received[body.Data.Key], r.Header.Get("webhook-id"))
	}).URL
}

// endpoint makes an ordered endpoint.
func (tr *traffic) endpoint(url string) {
	tr.t.Helper()
	now := time.Now()
	endpoint := webhook.NewEndpoint(url, []string{"*"}, now)
	tr.at[pg.Home].InOrg(tr.t, tr.org, func(ctx context.Context, tx pg.Tx) error {
		if err := webhook.InsertEndpoint(ctx, tx, tr.org, endpoint, signing.NewSecret(), testkit.Box(tr.t)); err != nil {
			return err
		}
		ordered := webhook.EndpointChange{Options: webhook.OptionsChange{Ordered: new(true)}}
		_, _, err := webhook.UpdateEndpoint(ctx, tx, tr.org, endpoint.ID, ordered, now, testkit.Box(tr.t))
		return err
	})
}

// dispatch dispatches in one database until ctx ends.
func (tr *traffic) dispatch(ctx context.Context, database string) {
	d := tr.at[database]
	for ctx.Err() == nil {
		dispatcher := &dispatching.Dispatcher{
			Dispatcher: claim.Dispatcher{
				DB: d.Worker, Waker: tr.wakers[database], Clock: d.Clock, Log: observe.NewLog(io.Discard, "test"),
				Concurrency: 64, Idle: 200 * time.Millisecond,
			},
			Box: testkit.Box(tr.t), Sender: sending.New(testkit.Loopback(tr.t), d.Clock, sending.MaxTimeout),
			Disabling: dispatching.Disabling{After: 120 * time.Hour, Failures: 20}, Publish: event.PublishNotices,
		}
		if err := dispatcher.Run(context.WithoutCancel(ctx)); err != nil {
			tr.t.Errorf("the dispatcher of %s: %v", database, err)
		}
	}
}

// publishAs does what the API does, one event after the other of one ordering
// key, until ctx ends. No publish may fail.
func (tr *traffic) publishAs(ctx context.Context, key string, db *pg.DB) {
	for n := 0; n == 0 || ctx.Err() == nil; n++ {
		draft := event.Draft{Type: "invoice.paid", Data: json.RawMessage(fmt.Sprintf(`{"key":%q,"n":%d}`, key, n)), OrderingKey: &key}
		var events []event.Event
		var database string
		var awake bool
		var then pgx.Batch
		err := db.InOrgThen(context.Background(), tr.org, func(tx pg.Tx) (err error) {
			var due []id.WebhookEndpoint
			events, due, err = event.Publish(context.Background(), tx, tr.org, []event.Draft{draft}, time.Now())
			webhook.Tell(&then, tr.org, due, &awake)
			database = pg.DatabaseOf(tx)
			return err
		}, &then)
		if err != nil {
			tr.t.Errorf("event %d of %s: %v", n, key, err)
			return
		}
		tr.mu.Lock()
		tr.accepted[events[0].ID.String()] = true
		tr.publish[database]++
		tr.mu.Unlock()
	}
}

// While an organization moves to another database and back, every publish
// succeeds, and every event is delivered once and in the order of its key.
func TestMoveWithTraffic(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	tr := newTraffic(p)
	tr.endpoint(tr.receiver())
	publishing, stopPublishing := context.WithCancel(context.Background())
	dispatching, stopDispatching := context.WithCancel(context.Background())
	var publishers, dispatchers sync.WaitGroup
	for name := range p.at {
		dispatchers.Go(func() { tr.dispatch(dispatching, name) })
	}
	for n := range 4 {
		db := p.another()
		publishers.Go(func() { tr.publishAs(publishing, fmt.Sprint("key ", n), db) })
	}
	for _, to := range []string{acme, pg.Home, acme} {
		tr.awaitPublishes(50)
		done, err := p.mover.Move(context.Background(), p.org, to)
		testkit.Must(t, err)
		t.Logf("moved to %s: %d rows, %d of them while writers waited for %s; nothing was sent for %s", to, done.Rows, done.Late, done.Stopped, done.Silent)
	}
	tr.awaitPublishes(50)
	stopPublishing()
	publishers.Wait()
	tr.awaitDeliveries()
	stopDispatching()
	dispatchers.Wait()
	p.livesIn(acme)
	tr.check()
}

// awaitPublishes returns after so many further events.
func (tr *traffic) awaitPublishes(n int) {
	tr.t.Helper()
	count := func() int {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.accepted)
	}
	before := count()
	testkit.Await(tr.t, "publishes", func() bool { return count() >= before+n })
}

func (tr *traffic) awaitDeliveries() {
	tr.t.Helper()
	testkit.Await(tr.t, "deliveries", func() bool {
		return testkit.Value[int](tr.t, tr.at[acme], `SELECT count(*) FROM webhook_delivery WHERE status = 'delivered'`) == len(tr.accepted)
	})
}

func (tr *traffic) check() {
	tr.t.Helper()
	arrived := map[string]int{}
	for key, events := range tr.received {
		if !slices.IsSorted(events) { // ids sort by time, and a publisher awaits each
			tr.t.Errorf("the events of %s came out of order", key)
		}
		for _, e := range events {
			arrived[e]++
		}
	}
	for e := range tr.accepted {
		if arrived[e] != 1 {
			tr.t.Errorf("%s came %d times", e, arrived[e])
		}
	}
	if tr.publish[pg.Home] == 0 || tr.publish[acme] == 0 {
		tr.t.Errorf("published to %v", tr.publish)
	}
	if n := testkit.Value[int](tr.t, tr.at[acme], `SELECT count(*) FROM webhook_attempt`); n != len(tr.accepted) {
		tr.t.Errorf("%d attempts are logged of %d", n, len(tr.accepted))
	}
	tr.t.Logf("published %v", tr.publish)
}

// A move waits until deliveries in flight are recorded, so that they are not sent
// again.
func TestMoveAwaitsDeliveries(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	tr := newTraffic(p)
	answer := make(chan struct{})
	rec := testkit.NewReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-answer })
	tr.endpoint(rec.URL)
	dispatching, stopDispatching := context.WithCancel(context.Background())
	var dispatchers sync.WaitGroup
	for name := range p.at {
		dispatchers.Go(func() { tr.dispatch(dispatching, name) })
	}
	publishing, once := context.WithCancel(context.Background())
	once()
	tr.publishAs(publishing, "key", p.db)
	testkit.Await(t, "the request", func() bool { return len(rec.All()) == 1 })
	moved := make(chan error, 1)
	p.progress = func(line string) {
		if strings.Contains(line, "stopping writers") {
			select {
			case <-answer:
			default:
				t.Error("the move goes on while something is being sent")
			}
		}
	}
	go func() {
		_, err := p.mover.Move(context.Background(), p.org, acme)
		moved <- err
	}()
	testkit.Await(t, "the move to drain", func() bool {
		return testkit.Value[bool](t, p.at[pg.Home], `SELECT EXISTS (SELECT FROM placement WHERE state = 'draining')`)
	})
	close(answer)
	testkit.Must(t, <-moved)
	tr.awaitDeliveries()
	stopDispatching()
	dispatchers.Wait()
	if n := testkit.Value[int](t, p.at[acme], `SELECT count(*) FROM webhook_attempt`); n != 1 || len(rec.All()) != 1 {
		t.Errorf("%d attempts are logged, %d requests came, want 1", n, len(rec.All()))
	}
}
