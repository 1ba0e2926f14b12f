package dispatching_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

// as runs fn with the engine acting for another organization.
func (e *engine) as(org id.Org, fn func()) {
	own := e.org
	e.org = org
	defer func() { e.org = own }()
	fn()
}

var errUndone = errors.New("undone")

// holdKey runs fn while a publish has locked the ordering key, and then rolls the
// publish back. It fails the test if the key was not locked all the time.
func (e *engine) holdKey(org id.Org, key string, fn func()) {
	e.t.Helper()
	ctx := context.Background()
	app, err := pg.Open(ctx, e.URL("portico_app")) // with sessions of its own
	testkit.Must(e.t, err)
	defer app.Close()
	err = app.InOrg(ctx, org, func(tx pg.Tx) error {
		draft := event.Draft{Type: "invoice.paid", Data: json.RawMessage(`1`), OrderingKey: &key}
		if _, _, err := event.Publish(ctx, tx, org, []event.Draft{draft}, e.Clock.Now()); err != nil {
			return err
		}
		fn()
		var one int
		if err := tx.QueryRow(ctx, `SELECT 1`).Scan(&one); err != nil {
			return err // Postgres has ended it meanwhile
		}
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		e.t.Errorf("the key was not held all the time: %v", err)
	}
}

// running starts a dispatcher that stays awake until the returned function ends it.
func (e *engine) running(d *dispatching.Dispatcher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	d.Idle = time.Hour
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() { cancel(); <-done }
}

// While publishes of some organizations lock their ordering keys, only the
// results of these organizations wait.
func TestHeldKeysHoldUpTheirOrganizationsOnly(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	var hostile []id.Org
	rec := testkit.NewReceiver(t, nil)
	for range 3 {
		org := e.NewOrg(e.t)
		hostile = append(hostile, org)
		e.as(org, func() {
			e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
			e.publishNumbered("a", 0, 1)
		})
	}
	other := testkit.NewReceiver(t, nil)
	e.endpoint(other.URL, "*")
	e.holdKey(hostile[0], "a", func() {
		e.holdKey(hostile[1], "a", func() {
			e.holdKey(hostile[2], "a", func() {
				defer e.running(e.dispatcher())()
				testkit.Await(t, "the requests of all three", func() bool { return len(rec.All()) == 3 })
				for n := 1; n <= 5; n++ {
					e.publish(`1`)
					testkit.Await(t, "the record of another organization's delivery", func() bool { return e.count(webhook.Delivered) == n })
				}
			})
		})
	})
}

// Results that wait for a locked ordering key are recorded when the lock is
// released, and the key's deliveries continue in order.
func TestHeldResultsAreRecordedLater(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.orderedEndpoint(rec.URL, webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 3)
	stop := func() {}
	e.holdKey(e.org, "a", func() {
		stop = e.running(e.dispatcher())
		testkit.Await(t, "the result to wait for the key", func() bool { return strings.Contains(e.lines.String(), "could not be recorded") })
		if n := len(rec.All()); n != 1 {
			t.Errorf("%d requests while the head's result waits, want 1", n)
		}
	})
	testkit.Await(t, "all to be delivered", func() bool { return e.count(webhook.Delivered) == 3 })
	stop()
	if a := numbersOf(t, rec, "a"); len(a) != 3 || a[0] != 0 || a[1] != 1 || a[2] != 2 {
		t.Errorf("received %v", a)
	}
}

// Nothing new is claimed for an organization whose results wait, so no more of
// its results are in memory than requests were in flight.
func TestHeldOrganizationIsNotClaimed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ordered, free := testkit.NewReceiver(t, nil), testkit.NewReceiver(t, nil)
	endpoint := e.orderedEndpoint(ordered.URL, webhook.ExhaustionPause)
	e.publishNumbered("a", 0, 1)
	e.setOptions(endpoint, webhook.OptionsChange{Filter: new(`data.key == "a"`)})
	e.endpoint(free.URL, "*")
	stop := func() {}
	e.holdKey(e.org, "a", func() {
		stop = e.running(e.dispatcher())
		testkit.Await(t, "the result to wait for the key", func() bool { return strings.Contains(e.lines.String(), "could not be recorded") })
		e.publish(`1`)
		testkit.Await(t, "the dispatcher to try again", func() bool { return strings.Count(e.lines.String(), "could not be recorded") >= 3 })
		if n := len(free.All()); n != 0 {
			t.Errorf("%d new requests while results wait", n)
		}
	})
	testkit.Await(t, "the new delivery", func() bool { return len(free.All()) == 1 })
	stop()
}

// gone removes an organization with all its rows, as erasing does.
func (e *engine) gone(org id.Org) {
	e.t.Helper()
	e.InOrg(e.t, org, func(ctx context.Context, tx pg.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, org)
		return err
	})
	for removed := 1; removed > 0; {
		e.InOrg(e.t, org, func(ctx context.Context, tx pg.Tx) error {
			return tx.QueryRow(ctx, `SELECT erase_organization(5000)`).Scan(&removed)
		})
	}
}

// Results of an organization that was erased while its requests were in flight
// are discarded, and those beside them recorded, in one try.
func TestErasedOrganizationHoldsUpNobody(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	erased := e.NewOrg(e.t)
	e.as(erased, func() {
		e.endpoint("https://example.com/", "*")
		e.orderedEndpoint("https://example.com/", webhook.ExhaustionPause)
		e.publishKeys("a")
	})
	e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	testkit.Must(t, dispatching.Load(ctx, e.Worker, e.box, claims))
	if len(claims) != 3 {
		t.Fatalf("%d claims, want 3", len(claims))
	}
	e.gone(erased)
	results := delivered(claims)
	for i := range results {
		results[i].Status, results[i].StatusCode, results[i].Error = webhook.Failed, 500, "answered 500, expected 2xx"
	}
	dispatching.Record(ctx, e.dispatcher(), results)
	if n := e.count(webhook.Failed); n != 1 {
		t.Errorf("%d of the other organization's results recorded, want 1", n)
	}
	if lines := e.lines.String(); strings.Contains(lines, "could not be recorded") || !strings.Contains(lines, `"LeaseLost":2`) {
		t.Errorf("lines: %s", lines)
	}
	if n := testkit.Value[int](t, e.Database, `SELECT count(*) FROM event WHERE org_id = $1`, erased); n != 0 {
		t.Errorf("%d events of an organization that is gone", n)
	}
}

// A result that Postgres refuses is given up at once. The other results of the
// batch are recorded, those of the same organization too.
func TestBadResultIsGivenUpAlone(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	other := e.NewOrg(e.t)
	e.endpoint("https://example.com/", "*")
	e.publish(`1`, `2`, `3`)
	e.as(other, func() {
		e.endpoint("https://example.com/", "*")
		e.publish(`1`)
	})
	claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	testkit.Must(t, dispatching.Load(ctx, e.Worker, e.box, claims))
	results := delivered(claims)
	for i := range results {
		if results[i].Org == e.org {
			results[i].Error = "a text that Postgres refuses: \x00"
			break
		}
	}
	dispatching.Record(ctx, e.dispatcher(), results)
	if n := e.count(webhook.Delivered); n != 2 {
		t.Errorf("%d recorded of the 2 good results beside the bad one", n)
	}
	e.as(other, func() {
		if n := e.count(webhook.Delivered); n != 1 {
			t.Errorf("%d recorded of another organization's result", n)
		}
	})
	if !strings.Contains(e.lines.String(), `"level":"ERROR"`) {
		t.Error("no error line about the bad result")
	}
}

// If an organization's slow filters delay its operational events, only its own
// results wait.
func TestSlowNoticesHoldUpTheirOrganizationOnly(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	hostile := e.NewOrg(e.t)
	e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	e.as(hostile, func() {
		e.endpoint("https://example.com/", "*")
		e.publish(`1`)
	})
	claims, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	testkit.Must(t, dispatching.Load(ctx, e.Worker, e.box, claims))
	results := delivered(claims)
	for i := range results {
		results[i].Status, results[i].StatusCode, results[i].Error = webhook.Failed, 500, "answered 500, expected 2xx"
	}
	d, slow := e.dispatcher(), 0
	d.Publish = func(ctx context.Context, tx pg.Tx, org id.Org, notices []webhook.Notice, now time.Time) ([]id.WebhookEndpoint, error) {
		if org == hostile && slow < 2 {
			slow++
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return event.PublishNotices(ctx, tx, org, notices, now)
	}
	dispatching.Record(ctx, d, results)
	if n := e.count(webhook.Failed); n != 1 || slow != 2 {
		t.Errorf("%d recorded; %d tries were slow, want 2: one for all, one for the organization", n, slow)
	}
	e.as(hostile, func() {
		if n := e.count(webhook.Failed); n != 1 {
			t.Errorf("%d recorded of the organization that was slow", n)
		}
	})
}
