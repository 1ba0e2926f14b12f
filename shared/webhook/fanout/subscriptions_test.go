package fanout_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook/fanout"
)

// environment publishes as one environment of the publish function does: with
// sessions and subscriptions of its own.
type environment struct {
	db    *pg.DB
	cache *fanout.Cache
}

func newEnvironment(t *testing.T, url string) *environment {
	t.Helper()
	db, err := pg.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return &environment{db, fanout.NewCache()}
}

// publish returns how many deliveries an event of a type made.
func (v *environment) publish(ctx context.Context, org id.Org, eventType string) (deliveries int, err error) {
	var events []event.Event
	do := func(tx pg.Tx) (err error) {
		events, _, err = event.PublishCached(ctx, tx, org, v.cache, []event.Draft{{Type: eventType, Data: json.RawMessage(`{"n":1}`)}}, time.Now())
		return err
	}
	err = v.db.InOrgThen(ctx, org, do, &pgx.Batch{})
	if errors.Is(err, pg.ErrAgain) {
		err = v.db.InOrgAgain(ctx, org, do, &pgx.Batch{})
	}
	if err != nil {
		return 0, err
	}
	return events[0].Fanout.Deliveries, nil
}

// afterChange is how many round trips the first publish after a change takes at
// most: an error makes pgx prepare the statements of that session anew.
const afterChange = 8

// Every change that decides who gets an event counts from its commit on, in an
// environment that keeps the subscriptions of before; what decides nothing does
// not make it read them again.
func TestChangesCountAtOnce(t *testing.T) {
	t.Parallel()
	p, ctx := newPublisher(t), context.Background()
	wire := testkit.NewWire(t, p.URL("portico_app"))
	v := newEnvironment(t, wire.URL)
	endpoint := p.endpoint("https://example.com/", "a")
	for range 2 { // the first reads the subscriptions, the second prepares its statements
		if _, err := v.publish(ctx, p.org, "a"); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name, sql string
		want      int // deliveries of an event a
		trips     int // most round trips of the publish after the change
	}{
		{"nothing", `SELECT`, 1, 1},
		{"other types", `UPDATE webhook_endpoint SET event_types = '{b}'`, 0, 0},
		{"these again", `UPDATE webhook_endpoint SET event_types = '{a}'`, 1, 0},
		{"a filter", `UPDATE webhook_endpoint SET filter = 'data.n > 1'`, 0, 0},
		{"no filter", `UPDATE webhook_endpoint SET filter = ''`, 1, 0},
		{"an order", `UPDATE webhook_endpoint SET ordered = true`, 1, 0},
		{"disabled", `UPDATE webhook_endpoint SET status = 'disabled', disabled_at = now(), disabled_reason = 'requested'`, 1, 0},
		{"enabled", `UPDATE webhook_endpoint SET status = 'enabled', disabled_at = NULL, disabled_reason = NULL`, 1, 0},
		{"another URL, timeout and description", `UPDATE webhook_endpoint SET url = 'https://example.org/', timeout_seconds = 5, description = 'x'`, 1, 0},
		{"a second endpoint", `INSERT INTO webhook_endpoint (org_id, id, url, event_types) SELECT org_id, gen_random_uuid(), url, '{a}' FROM webhook_endpoint`, 2, 0},
		{"deleted", `UPDATE webhook_endpoint SET deleted_at = now() WHERE id <> '` + endpoint.UUID.String() + `'`, 1, 0},
	} {
		if _, err := v.publish(ctx, p.org, "a"); err != nil { // keeps them
			t.Fatal(err)
		}
		if _, err := p.Admin.Exec(ctx, step.sql); err != nil {
			t.Fatal(err)
		}
		wire.Trips()
		got, err := v.publish(ctx, p.org, "a")
		if err != nil || got != step.want {
			t.Errorf("after %s: %d deliveries, %v; want %d", step.name, got, err, step.want)
		}
		most := afterChange
		if step.trips > 0 {
			most = step.trips
		}
		if n := wire.Trips(); n > most {
			t.Errorf("after %s a publish took %d round trips", step.name, n)
		}
	}
	// A change while the sessions die.
	for _, sql := range []string{
		`UPDATE webhook_endpoint SET event_types = '{c}'`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app'`,
	} {
		if _, err := p.Admin.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := v.publish(ctx, p.org, "a"); err != nil || got != 0 {
		t.Errorf("after a change and over a dead session: %d deliveries, %v", got, err)
	}
	if n := testkit.Value[int](t, p.Database, `SELECT count(*) FROM webhook_delivery`); n == 0 {
		t.Error("no delivery was written")
	}
}

// While an endpoint changes all the time, two environments publish: a publish
// that begins after a change has committed and ends before the next begins makes
// the deliveries that this change says.
func TestPublishersSeeEveryChange(t *testing.T) {
	t.Parallel()
	const publishes = 2000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	p, ctx := newPublisher(t), context.Background()
	p.endpoint("https://example.com/", "a")
	var begun, committed atomic.Int64 // changes; an even one leaves the endpoint subscribed to a
	var judged atomic.Int64
	stop := make(chan struct{})
	var changer, publishers sync.WaitGroup
	changer.Go(func() {
		random := rand.New(rand.NewPCG(seed, 0))
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
			}
			begun.Store(n)
			if _, err := p.Admin.Exec(ctx, `UPDATE webhook_endpoint SET event_types = $1`, []string{[]string{"a", "b"}[n%2]}); err != nil {
				t.Error(err)
				return
			}
			committed.Store(n)
		}
	})
	for range 2 {
		v := newEnvironment(t, p.URL("portico_app"))
		publishers.Go(func() {
			for range publishes / 2 {
				before := committed.Load()
				got, err := v.publish(ctx, p.org, "a")
				if err != nil {
					t.Error(err)
					return
				}
				if begun.Load() != before {
					continue // it changed meanwhile: both are right
				}
				judged.Add(1)
				if want := 1 - int(before%2); got != want {
					t.Errorf("after change %d: %d deliveries, want %d", before, got, want)
				}
			}
		})
	}
	publishers.Wait()
	close(stop)
	changer.Wait()
	t.Logf("%d publishes, %d changes, %d publishes judged", publishes, committed.Load(), judged.Load())
	if judged.Load() < publishes/20 {
		t.Errorf("only %d publishes ran between changes", judged.Load())
	}
}
