package dispatching_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// numbered is the data of the events of these tests.
type numbered struct {
	Key    string `json:"key"`
	Number int    `json:"number"`
}

// publishNumbered publishes the events number first to first+n-1 of a key.
func (e *engine) publishNumbered(key string, first, n int) {
	e.t.Helper()
	drafts := make([]event.Draft, n)
	for i := range drafts {
		data, err := json.Marshal(numbered{key, first + i})
		testkit.Must(e.t, err)
		drafts[i] = event.Draft{Type: "invoice.paid", Data: data, OrderingKey: &key}
	}
	e.publishDrafts(drafts)
}

// numbersOf returns the numbers of a key that were received with 200, in order.
func numbersOf(t *testing.T, rec *testkit.Receiver, key string) (numbers []int) {
	t.Helper()
	for _, r := range rec.All() {
		var body struct{ Data numbered }
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		if body.Data.Key == key {
			numbers = append(numbers, body.Data.Number)
		}
	}
	return numbers
}

func (e *engine) orderedEndpoint(url, exhaustion string) id.WebhookEndpoint {
	e.t.Helper()
	endpoint, _ := e.endpoint(url, "*")
	e.setOptions(endpoint, webhook.OptionsChange{
		Ordered: new(true), ExhaustionPolicy: &exhaustion, RetryPolicy: new(webhook.RetryCustom), RetrySchedule: []int32{5},
	})
	return endpoint
}

// A delivery that fails delays only the later ones with the same key. When it
// succeeds, they follow at once.
func TestOrderedByKey(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	endpoint := e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 1)
	e.dispatch()
	e.publishNumbered("a", 1, 3)
	e.publishNumbered("b", 0, 2)
	e.dispatch()
	if a, b := numbersOf(t, rec, "a"), numbersOf(t, rec, "b"); fmt.Sprint(a, b) != "[0] [0 1]" {
		t.Fatalf("received %v of the key that waits and %v of the other", a, b)
	}
	lag := e.lags(endpoint)
	if len(lag) != 1 || lag[0].Key != "a" || lag[0].Pending != 4 || lag[0].HeadID == nil || lag[0].PausedAt != nil {
		t.Errorf("lag %+v", lag)
	}
	e.Advance(t, time.Minute+time.Second)
	e.dispatch()
	if a := numbersOf(t, rec, "a"); fmt.Sprint(a) != "[0 0 1 2 3]" {
		t.Errorf("received %v", a)
	}
	if lag := e.lags(endpoint); len(lag) > 0 {
		t.Errorf("lag %+v after all", lag)
	}
}

// Events without a key, and those for endpoints that are not ordered, do not wait.
func TestUnorderedDoesNotWait(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.publishNumbered("a", 0, 1)
	e.dispatch()
	e.publishNumbered("a", 1, 2)
	e.dispatch()
	e.setOptions(endpoint, webhook.OptionsChange{Ordered: new(true)})
	e.publish(`{}`, `{}`)
	e.dispatch()
	if n := len(rec.All()); n != 5 {
		t.Errorf("%d received, want 5", n)
	}
}

func (e *engine) lags(endpoint id.WebhookEndpoint) (list []webhook.KeyLag) {
	e.t.Helper()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = webhook.ListKeyLags(ctx, tx, e.org, endpoint, "", 100)
		return err
	})
	return list
}

func (e *engine) resume(endpoint id.WebhookEndpoint, key string) (err error) {
	e.t.Helper()
	return e.App.InOrg(context.Background(), e.org, func(tx pg.Tx) error {
		_, err := webhook.ResumeKey(context.Background(), tx, e.org, endpoint, key)
		return err
	})
}

// exhaustedHead returns an engine whose first event of key a has failed for
// good, with two behind it.
func exhaustedHead(t *testing.T, policy string) (*engine, *testkit.Receiver, id.WebhookEndpoint) {
	t.Helper()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	endpoint := e.orderedEndpoint(rec.URL, policy)
	e.publishNumbered("a", 0, 3)
	e.dispatch()
	e.Advance(t, time.Minute+time.Second)
	e.dispatch()
	return e, rec, endpoint
}

// With the policy skip, the next delivery is sent when one has failed permanently.
func TestExhaustionSkips(t *testing.T) {
	t.Parallel()
	e, rec, _ := exhaustedHead(t, webhook.ExhaustionSkip)
	if a := numbersOf(t, rec, "a"); fmt.Sprint(a) != "[0 0 1 2]" {
		t.Errorf("received %v", a)
	}
	if failed, delivered := e.count(webhook.Failed), e.count(webhook.Delivered); failed != 1 || delivered != 2 {
		t.Errorf("%d failed, %d delivered", failed, delivered)
	}
}

// With the policy pause, nothing of the key is sent until it is resumed, not even
// later events. Other keys are sent.
func TestExhaustionPauses(t *testing.T) {
	t.Parallel()
	e, rec, endpoint := exhaustedHead(t, webhook.ExhaustionPause)
	e.publishNumbered("a", 3, 1)
	e.publishNumbered("b", 0, 1)
	e.dispatch()
	if a, b := numbersOf(t, rec, "a"), numbersOf(t, rec, "b"); fmt.Sprint(a, b) != "[0 0] [0]" {
		t.Fatalf("received %v of the paused key and %v of the other", a, b)
	}
	failed := e.deliveries(webhook.DeliveryFilter{Status: webhook.Failed})
	lag := e.lags(endpoint)
	if len(failed) != 1 || len(lag) != 1 || lag[0].PausedAt == nil || *lag[0].PausedBy != failed[0].EventID || lag[0].Pending != 3 {
		t.Errorf("failed %+v, lag %+v", failed, lag)
	}
	testkit.Must(t, e.resume(endpoint, "a"))
	e.dispatch()
	if a := numbersOf(t, rec, "a"); fmt.Sprint(a) != "[0 0 1 2 3]" {
		t.Errorf("received %v after it was resumed", a)
	}
	if err := e.resume(endpoint, "a"); err == nil {
		t.Error("resumed twice")
	}
}

// Deliveries that wait behind a head, are paused or are leased do not count as
// due: an idle dispatcher sleeps, and the sweep wakes none.
func TestWaitingIsNotDue(t *testing.T) {
	t.Parallel()
	e, _, _ := exhaustedHead(t, webhook.ExhaustionPause)
	if n, err := dispatching.NextDue(context.Background(), e.Worker); err != nil || n.Due {
		t.Errorf("due: %+v, %v", n, err)
	}
}

// If a publish has seen an unfinished head, the result that finishes this head
// waits for the publish. Otherwise the new delivery would wait for ever.
func TestFinishWaitsForPublish(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	rec := testkit.NewReceiver(t, nil)
	e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 1)
	d := e.dispatcher()
	d.Idle = time.Hour
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	key := "a"
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		draft := event.Draft{Type: "invoice.paid", Data: json.RawMessage(`{"key":"a","number":1}`), OrderingKey: &key}
		if _, _, err := event.Publish(ctx, tx, e.org, []event.Draft{draft}, e.Clock.Now()); err != nil {
			return err
		}
		go func() { done <- d.Run(running) }()
		testkit.Await(t, "the head to be recorded, or to wait for this transaction", func() bool {
			return e.count(webhook.Delivered) == 1 || testkit.Value[bool](t, e.Database,
				`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_worker' AND wait_event_type = 'Lock')`)
		})
		return nil
	})
	testkit.Await(t, "both deliveries", func() bool { return e.count(webhook.Delivered) == 2 })
	stop()
	<-done
}

// With several publishers, several dispatchers and failures, the receiver still
// accepts every event of a key once and in the order of publication.
func TestOrderHolds(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	e := newEngine(t)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	accepted := map[string][]int{}
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body struct{ Data numbered }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if random.IntN(5) == 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		accepted[body.Data.Key] = append(accepted[body.Data.Key], body.Data.Number)
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	schedule := make([]int32, 20)
	for i := range schedule {
		schedule[i] = 1
	}
	e.setOptions(endpoint, webhook.OptionsChange{Ordered: new(true), RetryPolicy: new(webhook.RetryCustom), RetrySchedule: schedule})
	const keys, events = 6, 30
	ctx, stop := context.WithCancel(context.Background())
	var dispatchers, publishers sync.WaitGroup
	for range 2 {
		dispatchers.Go(func() {
			d := e.dispatcher()
			d.Idle = time.Hour
			_ = d.Run(ctx) // ends with an error because it is stopped
		})
	}
	for k := range keys {
		publishers.Go(func() {
			for n := 0; n < events; n += 3 {
				e.publishNumbered(fmt.Sprint("key ", k), n, 3)
			}
		})
	}
	publishers.Wait()
	testkit.Await(t, "all to be delivered", func() bool {
		// Only while nothing is being sent: no lease may end, because then the
		// delivery would be sent again.
		if testkit.Value[bool](t, e.Database, `SELECT NOT EXISTS (SELECT FROM webhook_delivery WHERE lease IS NOT NULL)`) {
			e.Advance(t, time.Second)
		}
		return e.count(webhook.Delivered) == keys*events
	})
	stop()
	dispatchers.Wait()
	for k := range keys {
		key := fmt.Sprint("key ", k)
		for i, n := range accepted[key] {
			if i != n {
				t.Fatalf("%s was accepted in the order %v", key, accepted[key])
			}
		}
	}
}
