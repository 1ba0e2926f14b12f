package recovery_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
	"portico/shared/webhook/signing"
)

// world is an organization with endpoints, and the runner of its jobs. Nothing is sent.
type world struct {
	*testkit.Database
	t      *testing.T
	org    id.Org
	runner *job.Runner
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := testkit.DB(t)
	kinds, err := job.NewRegistry(recovery.Kind)
	testkit.Must(t, err)
	return &world{Database: db, t: t, org: db.NewOrg(t), runner: &job.Runner{
		DB: db.App, Worker: db.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: db.Clock, Log: observe.NewLog(&testkit.Log{}, "test"),
		Random: func() float64 { return 0 },
	}}
}

func (w *world) endpoint(o webhook.OptionsChange, types ...string) id.WebhookEndpoint {
	w.t.Helper()
	endpoint, box := webhook.NewEndpoint("https://example.com/", types, w.Clock.Now()), testkit.Box(w.t)
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) error {
		if err := webhook.InsertEndpoint(ctx, tx, w.org, endpoint, signing.NewSecret(), box); err != nil {
			return err
		}
		_, _, err := webhook.UpdateEndpoint(ctx, tx, w.org, endpoint.ID, webhook.EndpointChange{Options: o}, w.Clock.Now(), box)
		return err
	})
	return endpoint.ID
}

func (w *world) publish(drafts ...event.Draft) (ids []id.Event) {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) error {
		events, _, err := event.Publish(ctx, tx, w.org, drafts, w.Clock.Now())
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		return err
	})
	return ids
}

func draft(eventType, data string) event.Draft {
	return event.Draft{Type: eventType, Data: json.RawMessage(data)}
}

func (w *world) start(n recovery.New) (r recovery.Recovery, err error) {
	err = w.App.InOrg(context.Background(), w.org, func(tx pg.Tx) error {
		r, err = recovery.Start(context.Background(), tx, w.org, n)
		return err
	})
	return r, err
}

func (w *world) mustStart(n recovery.New) recovery.Recovery {
	w.t.Helper()
	r, err := w.start(n)
	testkit.Must(w.t, err)
	return r
}

func (w *world) get(r recovery.Recovery) recovery.Recovery {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		r, err = recovery.Get(ctx, tx, w.org, r.ID)
		return err
	})
	return r
}

// work does the jobs that are due.
func (w *world) work() { jobtest.Drain(w.t, w.runner) }

// sendAll makes a try of everything that is due; it fails for good.
func (w *world) sendAll() {
	w.t.Helper()
	w.Exec(w.t, `UPDATE webhook_delivery SET status = 'failed', attempts = attempts + 1, next_retry_at = NULL, completed_at = portico_now() WHERE status = 'pending'`)
}

// fill adds events, each with a delivery to the endpoint: two in three have failed with
// three tries, the others are delivered.
func (w *world) fill(endpoint id.WebhookEndpoint, n int) {
	w.t.Helper()
	w.Exec(w.t, `
		WITH made AS (
			INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT $1, overlay(overlay(gen_random_uuid()::text PLACING left(uuid_floor(at)::text, 13) FROM 1) PLACING '7' FROM 15)::uuid, 't', '{}', at
			FROM generate_series(1, $3) AS n CROSS JOIN LATERAL (SELECT portico_now() - interval '1 second' * n AS at) made RETURNING id, created_at
		)
		INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, attempts, completed_at, status)
		SELECT $1, id, $2, id, 3, portico_now(), CASE WHEN row_number() OVER (ORDER BY id) % 3 = 0 THEN 'delivered' ELSE 'failed' END FROM made`, w.org, endpoint, n)
}

// tried returns the events whose deliveries have more than three tries, each as often
// as it has tries more, sorted.
func (w *world) tried() []string {
	w.t.Helper()
	return testkit.Value[[]string](w.t, w.Database, `
		SELECT coalesce(array_agg(event_id::text ORDER BY event_id), '{}') FROM webhook_delivery, generate_series(4, attempts)`)
}

// A recovery redelivers exactly what had failed in its time, once, although it fails
// again while the recovery runs: without trouble, and whenever its runner is killed
// between or within pages.
func TestRecoverSurvivesKills(t *testing.T) {
	t.Parallel()
	const kills = 12 // more than the points that a run passes
	var points int
	for kill := range kills {
		w := newWorld(t)
		endpoint, other := w.endpoint(webhook.OptionsChange{}, "t"), w.endpoint(webhook.OptionsChange{}, "t")
		w.fill(endpoint, 2400)
		w.fill(other, 10)
		since, until := w.Clock.Now().Add(-2200*time.Second), w.Clock.Now().Add(-100*time.Second)
		want := testkit.Value[[]string](t, w.Database, `
			SELECT array_agg(event_id::text ORDER BY event_id) FROM webhook_delivery JOIN event e ON e.id = event_id
			WHERE endpoint_id = $1 AND status = 'failed' AND e.created_at >= $2 AND e.created_at < $3`, endpoint, since, until)
		r := w.mustStart(recovery.New{Kind: recovery.Recover, Endpoint: endpoint, Since: since, Until: &until, Statuses: []webhook.Status{webhook.Failed}})
		passed := 0
		w.runner.Crash = func(string) {
			if passed++; passed == kill {
				panic(job.Crashed{})
			}
		}
		for range 6 {
			w.work()
			w.sendAll()
			w.Advance(t, time.Minute) // the lease of a killed runner ends
		}
		if kill == 0 {
			points = passed
		}
		if got := w.tried(); !slices.Equal(got, want) || len(want) < 1300 {
			t.Errorf("killed at %d: %d were redelivered, want %d once each", kill, len(got), len(want))
		}
		if r = w.get(r); r.Status != recovery.Succeeded || r.Deliveries != int64(len(want)) || r.Examined < 2000 || !r.Reached().Equal(r.Until) {
			t.Errorf("killed at %d: %+v", kill, r)
		}
		if kill > points {
			return
		}
	}
	t.Errorf("a run passes %d points, more than are tested", points)
}

// A page waits while the endpoint has much to do. A disabled endpoint holds
// everything, so nothing waits for it.
func TestRecoverWaitsForRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	endpoint := w.endpoint(webhook.OptionsChange{}, "t")
	w.fill(endpoint, 2400)
	r := w.mustStart(recovery.New{Kind: recovery.Recover, Endpoint: endpoint, Since: w.Clock.Now().Add(-time.Hour), Statuses: []webhook.Status{webhook.Failed, webhook.Delivered}})
	for range 3 {
		w.work()
		w.Advance(t, 10*time.Second)
	}
	if r = w.get(r); r.Deliveries != 1000 || r.Status != recovery.Running || r.Reached().Before(r.Since) || !r.Reached().Before(r.Until) {
		t.Errorf("while nothing is sent: %+v", r)
	}
	w.Exec(t, `UPDATE webhook_endpoint SET status = 'disabled', disabled_at = portico_now(), disabled_reason = 'requested'`)
	w.work()
	if r = w.get(r); r.Deliveries != 2400 || r.Status != recovery.Succeeded {
		t.Errorf("after the endpoint was disabled: %+v", r)
	}
}

// An endpoint has one recovery at a time. One that was cancelled goes no further, nor
// does that of a deleted endpoint.
func TestRecoveriesEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	endpoint := w.endpoint(webhook.OptionsChange{}, "t")
	w.fill(endpoint, 1500)
	n := recovery.New{Kind: recovery.Recover, Endpoint: endpoint, Since: w.Clock.Now().Add(-time.Hour), Statuses: []webhook.Status{webhook.Failed}}
	r := w.mustStart(n)
	if _, err := w.start(n); fault.Of(err) == nil || fault.Of(err).Code != "recovery_running" {
		t.Errorf("another one: %v", err)
	}
	pages := 0
	w.runner.Crash = func(point string) {
		if pages++; pages == 2 { // after the commit of the first page
			w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
				_, err := recovery.Cancel(ctx, tx, w.org, r.ID)
				return err
			})
		}
	}
	w.work()
	if r = w.get(r); r.Status != recovery.Cancelled || r.Deliveries != 500 || r.FinishedAt == nil {
		t.Errorf("cancelled: %+v", r)
	}
	w.sendAll()
	r = w.mustStart(n)
	w.Exec(t, `UPDATE job SET status = 'dead', error_code = 'timeout'`)
	if r = w.get(r); r.Status != recovery.Stalled {
		t.Errorf("without a job: %+v", r)
	}
	w.Exec(t, `UPDATE job SET status = 'pending', error_code = NULL`)
	w.Exec(t, `UPDATE webhook_endpoint SET deleted_at = portico_now()`)
	w.work()
	if r = w.get(r); r.Status != recovery.Cancelled || r.Deliveries != 0 {
		t.Errorf("of a deleted endpoint: %+v", r)
	}
	w.Advance(t, 91*24*time.Hour)
	if n, err := recovery.Forget(context.Background(), w.Worker, 90*24*time.Hour, 10); n != 2 || err != nil {
		t.Errorf("%d are forgotten after 90 days (%v), want 2", n, err)
	}
}
