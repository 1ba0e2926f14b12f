package erasure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/erasure"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// world is an organization, and the runner of its jobs. Nothing is sent.
type world struct {
	*testkit.Database
	t      *testing.T
	org    id.Org
	runner *job.Runner
	log    *testkit.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := testkit.DB(t)
	w := &world{Database: db, t: t, org: db.NewOrg(t), log: &testkit.Log{}}
	w.runner = w.newRunner()
	return w
}

func (w *world) newRunner() *job.Runner {
	w.t.Helper()
	kinds, err := job.NewRegistry(erasure.Kind)
	testkit.Must(w.t, err)
	return &job.Runner{
		DB: w.App, Worker: w.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: w.Clock, Log: observe.NewLog(w.log, "test"),
		Random: func() float64 { return 0 },
	}
}

// draft is an event about a person.
func draft(who string) event.Draft {
	return event.Draft{Type: "user.seen", Data: json.RawMessage(fmt.Sprintf(`{"who":%q}`, who))}
}

func keyed(who, key string) event.Draft {
	d := draft(who)
	d.OrderingKey = &key
	return d
}

func (w *world) publishIn(org id.Org, drafts ...event.Draft) (ids []id.Event) {
	w.t.Helper()
	w.InOrg(w.t, org, func(ctx context.Context, tx pg.Tx) error {
		events, _, err := event.Publish(ctx, tx, org, drafts, w.Clock.Now())
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		return err
	})
	return ids
}

func (w *world) publish(drafts ...event.Draft) []id.Event { return w.publishIn(w.org, drafts...) }

func (w *world) mailTo(org id.Org, address, key string) (made id.Mail) {
	w.t.Helper()
	w.InOrg(w.t, org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = mail.Send(ctx, tx, testkit.Box(w.t), w.Clock.Now(), org, mail.Mail{
			To: transport.Address{Name: "Ada", Address: address}, Locale: "en", Key: key,
			Content: template.MemberAdded.With(template.MemberAddedData{Organization: "Acme", Role: "Developer"}),
		})
		return err
	})
	return made
}

func (w *world) start(n erasure.New) (r erasure.Erasure) {
	w.t.Helper()
	testkit.Must(w.t, n.Check())
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		r, err = erasure.Start(ctx, tx, w.org, n)
		return err
	})
	return r
}

func (w *world) get(r erasure.Erasure) erasure.Erasure {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		r, err = erasure.Get(ctx, tx, w.org, r.ID)
		return err
	})
	return r
}

// work does the jobs that are due.
func (w *world) work() { jobtest.Drain(w.t, w.runner) }

// erased runs an erasure to its end.
func (w *world) erased(n erasure.New) erasure.Erasure {
	w.t.Helper()
	r := w.start(n)
	for range 5 {
		w.work()
		w.Advance(w.t, time.Minute)
	}
	if r = w.get(r); r.Status != erasure.Succeeded || r.FinishedAt == nil {
		w.t.Fatalf("the erasure has not ended: %+v", r)
	}
	return r
}

// stubs returns the expunged events of all organizations, by their ids.
func (w *world) stubs() []string {
	w.t.Helper()
	return testkit.Value[[]string](w.t, w.Database, `
		SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM event WHERE expunged_at IS NOT NULL AND convert_from(payload, 'UTF8') LIKE '%"data":null}'`)
}

func texts(lists ...[]id.Event) (all []string) {
	for _, list := range lists {
		for _, e := range list {
			all = append(all, e.UUID.String())
		}
	}
	slices.Sort(all)
	return all
}

var ada = erasure.Person{Filter: new(`data.who == "Ada"`)}

// An event is expunged if the filter is true for it or it has one of the keys, if it is
// of the organization and of the range of time. Tests of endpoints are among them, and
// events that are stubs already do not count.
func TestEventsOfPerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		person         erasure.Person
		since, until   bool // the old event is before, the young one after
		would          int  // not 0: a dry run counts so many
		old, now, keys bool // whether they are expunged
	}{
		{name: "filter", person: ada, old: true, now: true},
		{name: "keys", person: erasure.Person{OrderingKeys: []string{"ada", "lovelace"}}, keys: true},
		{name: "both", person: erasure.Person{Filter: ada.Filter, OrderingKeys: []string{"ada"}}, old: true, now: true, keys: true},
		{name: "since", person: ada, since: true, now: true},
		{name: "until", person: ada, until: true, old: true},
		{name: "dry run", person: ada, would: 2},
		{name: "dry run by type", person: erasure.Person{Filter: new(`type == "user.seen"`)}, would: 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			foreign := w.NewOrg(t)
			old := w.publish(draft("Ada"), draft("Eve"))
			w.Advance(t, time.Minute)
			between := w.Clock.Now()
			w.Advance(t, time.Minute)
			young := w.publish(draft("Ada"), keyed("Eve", "eve"), draft("Ada"))
			keys := w.publish(keyed("A. L.", "ada"), keyed("A. L.", "ada"))
			w.publishIn(foreign, draft("Ada"), keyed("Ada", "ada"))
			w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
				_, _, _, err := event.Expunge(ctx, tx, w.org, young[2])
				return err
			})
			w.Exec(t, `UPDATE event SET test_endpoint_id = org_id WHERE id = $1`, young[0])
			n := erasure.New{Person: tt.person, DryRun: tt.would > 0}
			if tt.since {
				n.Since = &between
			}
			if tt.until {
				n.Until = &between
			}
			w.Advance(t, time.Second)
			r := w.erased(n)
			want := [][]id.Event{young[2:]}
			for _, some := range []struct {
				are  bool
				list []id.Event
			}{{tt.old, old[:1]}, {tt.now, young[:1]}, {tt.keys, keys}} {
				if some.are {
					want = append(want, some.list)
				}
			}
			count, read := len(texts(want...))-1, 7
			if tt.would > 0 {
				count = tt.would
			}
			if tt.since {
				read = 5
			}
			if tt.until {
				read = 2
			}
			if got := w.stubs(); !slices.Equal(got, texts(want...)) || r.Events != int64(count) || r.Examined != int64(read) {
				t.Errorf("expunged %v, want %v; %d of %d events, want %d of %d", got, texts(want...), r.Events, r.Examined, count, read)
			}
		})
	}
}

// Whenever its runner is killed, an erasure ends with the same events expunged, each
// counted once.
func TestErasureSurvivesKills(t *testing.T) {
	t.Parallel()
	const kills = 40 // more than the points that a run passes
	for kill := range kills {
		w := newWorld(t)
		w.Exec(t, `
			INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT $1, overlay(overlay(gen_random_uuid()::text PLACING left(uuid_floor(at)::text, 13) FROM 1) PLACING '7' FROM 15)::uuid, 't',
				convert_to(format('{"data":{"who":"%s"}}', CASE WHEN n % 6 = 0 OR n > 560 THEN 'Ada' ELSE 'Eve' END), 'UTF8'), at
			FROM generate_series(1, 600) AS n CROSS JOIN LATERAL (SELECT portico_now() - interval '1 second' * n AS at) made`, w.org)
		w.mailTo(w.org, "ada@example.com", "k")
		w.Advance(t, time.Second)
		r := w.start(erasure.New{Person: erasure.Person{Filter: ada.Filter, Recipient: new("ada@example.com")}})
		passed := 0
		w.runner.Crash = func(string) {
			if passed++; passed == kill {
				panic(job.Crashed{})
			}
		}
		for range 7 {
			w.work()
			w.Advance(t, time.Minute) // the lease of a killed runner ends
		}
		if r = w.get(r); r.Status != erasure.Succeeded || r.Events != 133 || r.Examined != 600 || r.Mails != 1 || len(w.stubs()) != 133 {
			t.Errorf("killed at %d: %+v with %d stubs", kill, r, len(w.stubs()))
		}
		if kill > passed {
			return
		}
	}
	t.Errorf("a run passes %d points or more, not all are tested", kills)
}

// An event that is committed after the erasure was asked for, although it was published
// before, is expunged. One that is published later is not.
func TestErasureWaitsForStragglers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, written, commit, done := context.Background(), make(chan id.Event), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- w.App.InOrg(ctx, w.org, func(tx pg.Tx) error {
			events, _, err := event.Publish(ctx, tx, w.org, []event.Draft{draft("Ada")}, w.Clock.Now())
			if err == nil {
				_, err = pg.Value[int](ctx, tx, "test", `SELECT 1`) // begins
			}
			written <- events[0].ID
			<-commit
			return err
		})
	}()
	straggler := <-written
	w.Advance(t, time.Second)
	early := w.publish(draft("Ada"))
	w.Advance(t, time.Second)
	r := w.start(erasure.New{Person: ada})
	w.work()
	w.Advance(t, time.Second)
	w.publish(draft("Ada"))
	close(commit)
	testkit.Must(t, <-done)
	for range 3 {
		w.Advance(t, time.Minute)
		w.work()
	}
	want := texts([]id.Event{straggler}, early)
	if r = w.get(r); r.Status != erasure.Succeeded || r.Events != 2 || !slices.Equal(w.stubs(), want) {
		t.Errorf("%+v: expunged %v, want %v", r, w.stubs(), want)
	}
}

// When an erasure has ended, in whatever way, nothing of what was asked for is in its
// row, the job, its log or the lines of the runner.
func TestErasureForgetsPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	person := erasure.Person{Filter: new(`data.who == "Lovelace"`), OrderingKeys: []string{"Lovelace"}, Recipient: new("Lovelace@example.com")}
	w.publish(draft("Lovelace"), keyed("x", "Lovelace"))
	w.mailTo(w.org, "lovelace@example.com", "Lovelace")
	w.Advance(t, time.Second)
	left := func() int {
		return testkit.Value[int](t, w.Database, `
			SELECT (SELECT count(*) FROM erasure e WHERE e::text ILIKE '%lovelace%') + (SELECT count(*) FROM job j WHERE j::text ILIKE '%lovelace%')
				+ (SELECT count(*) FROM job_log l WHERE l::text ILIKE '%lovelace%')
				+ (SELECT count(*) FROM event v WHERE concat(convert_from(payload, 'UTF8'), ordering_key) ILIKE '%lovelace%')
				+ (SELECT count(*) FROM mail m WHERE m::text ILIKE '%lovelace%')`)
	}
	cancelled := w.start(erasure.New{Person: person})
	if n := left(); n < 3 {
		t.Errorf("%d rows have the person, want those of the erasure, the mail and the event", n)
	}
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := erasure.Cancel(ctx, tx, w.org, cancelled.ID)
		testkit.Must(t, err)
		_, err = erasure.Cancel(ctx, tx, w.org, cancelled.ID)
		if !errors.Is(err, erasure.ErrFinished) {
			t.Errorf("cancelled again: %v", err)
		}
		return nil
	})
	if r := w.erased(erasure.New{Person: person}); r.Events != 2 || r.Mails != 1 || !slices.Equal(r.Criteria, []string{"filter", "ordering_keys", "recipient"}) {
		t.Errorf("%+v", r)
	}
	if n := left(); n != 0 {
		t.Errorf("%d rows still have the person", n)
	}
	if strings.Contains(w.log.String(), "ovelace") {
		t.Error("a line of the log has the person")
	}
	if n, err := erasure.Forget(context.Background(), w.Worker, 90*24*time.Hour, 10); n != 0 || err != nil {
		t.Errorf("%d are forgotten at once (%v)", n, err)
	}
	w.Advance(t, 91*24*time.Hour)
	if n, err := erasure.Forget(context.Background(), w.Worker, 90*24*time.Hour, 10); n != 2 || err != nil {
		t.Errorf("%d are forgotten after 90 days (%v), want 2", n, err)
	}
}

// An organization has up to 100 erasures that run. One whose job is dead is stalled.
func TestErasuresAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(erasure.New{Person: ada})
	w.Exec(t, `INSERT INTO erasure (org_id, id, job_id, filter, criteria, dry_run, until, last_event_id)
		SELECT org_id, gen_random_uuid(), job_id, filter, criteria, dry_run, until, last_event_id FROM erasure, generate_series(1, 99)`)
	err := w.App.InOrg(context.Background(), w.org, func(tx pg.Tx) error {
		_, err := erasure.Start(context.Background(), tx, w.org, erasure.New{Person: ada})
		return err
	})
	if !errors.Is(err, erasure.ErrTooMany) {
		t.Errorf("the 101st: %v", err)
	}
	w.Exec(t, `UPDATE job SET status = 'dead', error_code = 'timeout'`)
	if r = w.get(r); r.Status != erasure.Stalled {
		t.Errorf("without a job: %+v", r)
	}
}
