package recovery_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
)

// has returns the events of which the endpoint has a delivery, in the order of their ids.
func (w *world) has(endpoint id.WebhookEndpoint) []id.Event {
	w.t.Helper()
	var list []id.Event
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = pg.List[id.Event](ctx, tx, "test", `SELECT event_id FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY event_id`, endpoint)
		return err
	})
	return list
}

// replayed replays all events so far to an endpoint.
func (w *world) replayed(endpoint id.WebhookEndpoint, types ...string) recovery.Recovery {
	w.t.Helper()
	r := w.mustStart(recovery.New{Kind: recovery.Replay, Endpoint: endpoint, Since: w.Clock.Now().Add(-time.Hour), EventTypes: types})
	w.work()
	w.Advance(w.t, 3*time.Minute)
	w.work()
	return w.get(r)
}

// A replay makes the deliveries that the endpoint would have if it had always been as
// it is now, within the types that were asked for, and leaves those that it has.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.endpoint(webhook.OptionsChange{}, "a")
	a, b, c := w.publish(draft("a", `1`)), w.publish(draft("b.x", `1`)), w.publish(draft("b.y", `{"total":5}`))
	w.Advance(t, time.Second)
	small := w.endpoint(webhook.OptionsChange{Filter: new("data.total > 3")}, "*")
	late := w.endpoint(webhook.OptionsChange{}, "a", "b.*")
	w.Advance(t, time.Second)
	d := w.publish(draft("a", `2`))
	for _, tt := range []struct {
		endpoint id.WebhookEndpoint
		types    []string
		made     int64
		want     []id.Event
	}{
		{first, nil, 0, slices.Concat(a, d)},
		{small, nil, 1, c},
		{late, []string{"b.x"}, 1, slices.Concat(b, d)},
		{late, nil, 2, slices.Concat(a, b, c, d)},
		{late, nil, 0, slices.Concat(a, b, c, d)},
	} {
		r := w.replayed(tt.endpoint, tt.types...)
		if r.Status != recovery.Succeeded || r.Deliveries != tt.made || r.Examined != 4 {
			t.Errorf("%s %v: %+v, want %d deliveries of 4 events", tt.endpoint, tt.types, r, tt.made)
		}
		if got := w.has(tt.endpoint); !slices.Equal(got, tt.want) {
			t.Errorf("%s %v has %v, want %v", tt.endpoint, tt.types, got, tt.want)
		}
	}
	// They can be read like any other, and count as new although older ones were dropped.
	w.Exec(t, `UPDATE webhook_endpoint SET dropped_before = uuid_floor(portico_now() - interval '1 minute')`)
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		list, _, err := webhook.ListDeliveries(ctx, tx, w.org, webhook.DeliveryFilter{EndpointID: small}, 10)
		testkit.Must(t, err)
		got, err := webhook.GetDelivery(ctx, tx, w.org, list[0].ID)
		if got.EventID != c[0] {
			t.Errorf("%+v", got)
		}
		return err
	})
}

// No endpoint gets a replay of an event about itself.
func TestReplayOfNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	about := w.endpoint(webhook.OptionsChange{}, "a")
	failing := draft(webhook.EventFailing, fmt.Sprintf(`{"endpoint_id":%q}`, about))
	failing.About = about
	made := w.publish(failing)
	w.Exec(t, `UPDATE webhook_endpoint SET event_types = '{webhook_endpoint.*}'`)
	other := w.endpoint(webhook.OptionsChange{}, "webhook_endpoint.*")
	w.replayed(about)
	w.replayed(other)
	if own, others := w.has(about), w.has(other); len(own) != 0 || !slices.Equal(others, made) {
		t.Errorf("the endpoint has %v, the other %v", own, others)
	}
}

// What is replayed to an ordered endpoint is sent in its order, and before what waits.
func TestReplayInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := "k"
	keyed := func() event.Draft { d := draft("a", `1`); d.OrderingKey = &key; return d }
	past := w.publish(keyed(), keyed(), keyed())
	endpoint := w.endpoint(webhook.OptionsChange{Ordered: new(true)}, "a")
	w.Advance(t, time.Second)
	now := w.publish(keyed(), keyed())
	w.replayed(endpoint)
	var sent []id.Event
	for range 6 {
		var due []id.Event
		w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
			due, err = pg.List[id.Event](ctx, tx, "test", `SELECT event_id FROM webhook_delivery WHERE status = 'pending' AND next_retry_at < 'infinity'`)
			return err
		})
		sent = append(sent, due...)
		w.Exec(t, `UPDATE webhook_delivery SET status = 'delivered', next_retry_at = NULL, completed_at = portico_now() WHERE status = 'pending' AND next_retry_at < 'infinity'`)
		w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
			keys := []webhook.OrderedKey{{Lane: webhook.Lane{OrgID: w.org, EndpointID: endpoint}, Key: key}}
			testkit.Must(t, webhook.LockKeys(ctx, tx, keys, webhook.LockPublishes))
			_, err := webhook.Advance(ctx, tx, keys)
			return err
		})
	}
	if want := slices.Concat(now[:1], past, now[1:]); !slices.Equal(sent, want) { // the first of now was due before the replay
		t.Errorf("sent %v, want %v", sent, want)
	}
}

// An event that commits late, although its id is older than those that a page has
// read, is not passed over: its publisher did not know the endpoint yet.
func TestReplayWaitsForStragglers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, written, commit := context.Background(), make(chan id.Event), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.App.InOrg(ctx, w.org, func(tx pg.Tx) error {
			events, _, err := event.Publish(ctx, tx, w.org, []event.Draft{draft("a", `1`)}, w.Clock.Now())
			if err == nil {
				_, err = pg.Value[int](ctx, tx, "test", `SELECT 1`) // begins
			}
			if err != nil {
				return err
			}
			written <- events[0].ID
			<-commit
			return nil
		})
	}()
	straggler := <-written
	w.Advance(t, time.Second)
	early := w.publish(draft("a", `2`))
	endpoint := w.endpoint(webhook.OptionsChange{}, "a")
	w.Advance(t, time.Second)
	r := w.mustStart(recovery.New{Kind: recovery.Replay, Endpoint: endpoint, Since: w.Clock.Now().Add(-time.Hour)})
	w.work()
	close(commit)
	testkit.Must(t, <-done)
	w.Advance(t, 3*time.Minute)
	w.work()
	if r = w.get(r); r.Status != recovery.Succeeded {
		t.Fatalf("%+v", r)
	}
	if got, want := w.has(endpoint), slices.Concat([]id.Event{straggler}, early); !slices.Equal(got, want) {
		t.Errorf("the endpoint has %v, want %v", got, want)
	}
}

// A replay makes no delivery of an event that the upkeep is deleting.
func TestReplayOfAnExpiringEvent(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), context.Background()
	w.Exec(t, `UPDATE organization SET settings = '{"event_retention_days":2}' WHERE id = $1`, w.org)
	w.publish(draft("a", `1`), draft("a", `2`))
	w.Advance(t, 47*time.Hour)
	young := w.publish(draft("a", `3`))
	w.Advance(t, 2*time.Hour)
	retentions, err := event.ListRetentions(ctx, w.Worker, 30*24*time.Hour)
	testkit.Must(t, err)
	endpoint := w.endpoint(webhook.OptionsChange{}, "a")
	r := w.mustStart(recovery.New{Kind: recovery.Replay, Endpoint: endpoint, Since: w.Clock.Now().Add(-72 * time.Hour)})
	w.Advance(t, 3*time.Minute) // no page waits for stragglers
	reached, release := w.Hold(t, `BEFORE DELETE ON event`)
	deleted := make(chan error, 1)
	go func() { _, _, err := retentions.Expiries()[0].Next(ctx, w.Worker); deleted <- err }()
	reached()
	worked := make(chan struct{})
	go func() { w.work(); close(worked) }()
	w.AwaitLockWait(t)
	release()
	testkit.Must(t, <-deleted)
	<-worked
	if got := w.get(r); got.Status != recovery.Succeeded || got.Deliveries != 1 || !slices.Equal(w.has(endpoint), young) {
		t.Errorf("%+v; the endpoint has %v, want %v", got, w.has(endpoint), young)
	}
}

// While a replay runs others publish. In the end the endpoint has one delivery of
// each event that was published.
func TestReplayWhileOthersPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	past := make([]event.Draft, 900)
	for i := range past {
		past[i] = draft("a", `1`)
	}
	w.publish(past...)
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.publish(draft("a", `2`), draft("a", `3`))
				}
			}
		})
	}
	published := func() int { return testkit.Value[int](t, w.Database, `SELECT count(*) FROM event`) }
	testkit.Await(t, "others to publish before the endpoint exists", func() bool { return published() > 1000 })
	endpoint := w.endpoint(webhook.OptionsChange{}, "a")
	r := w.mustStart(recovery.New{Kind: recovery.Replay, Endpoint: endpoint, Since: w.Clock.Now().Add(-time.Hour)})
	for range 40 {
		w.work()
		w.Exec(t, `UPDATE webhook_delivery SET status = 'delivered', next_retry_at = NULL, completed_at = portico_now() WHERE status = 'pending'`)
		w.Advance(t, 10*time.Second)
	}
	close(stop)
	wait.Wait()
	if r = w.get(r); r.Status != recovery.Succeeded || r.Deliveries < 900 {
		t.Errorf("%+v", r)
	}
	if n := len(w.has(endpoint)); n != published() {
		t.Errorf("%d deliveries of %d events", n, published())
	}
}
