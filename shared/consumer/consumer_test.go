package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/consumer"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
	"portico/shared/webhook/signing"
)

// stream is an organization that publishes events, and one consumer of them.
type stream struct {
	*testkit.Database
	t        *testing.T
	box      *secret.Box
	org      id.Org
	consumer consumer.Consumer
}

func newStream(t *testing.T) *stream {
	t.Helper()
	db := testkit.DB(t)
	s := &stream{Database: db, t: t, box: testkit.Box(t), org: db.NewOrg(t)}
	s.consumer = s.add("warehouse", "*")
	return s
}

// add creates a consumer of event types.
func (s *stream) add(name string, types ...string) consumer.Consumer {
	s.t.Helper()
	c := consumer.New(name, s.Clock.Now())
	c.EventTypes = types
	s.do(func(ctx context.Context, tx pg.Tx) error {
		return consumer.Insert(ctx, tx, s.org, c, signing.NewSecret(), s.box)
	})
	return c
}

func (s *stream) do(work func(context.Context, pg.Tx) error) {
	s.t.Helper()
	s.InOrg(s.t, s.org, work)
}

// publish publishes events of one type, and returns them.
func (s *stream) publish(eventType string, n int) (events []event.Event) {
	s.t.Helper()
	drafts := make([]event.Draft, n)
	for i := range drafts {
		drafts[i] = event.Draft{Type: eventType, Data: json.RawMessage(`{"total":150}`)}
	}
	s.do(func(ctx context.Context, tx pg.Tx) (err error) {
		events, _, err = event.Publish(ctx, tx, s.org, drafts, s.Clock.Now())
		return err
	})
	return events
}

// read returns what the consumer is given.
func (s *stream) read(limit int) (items []consumer.Item) {
	s.t.Helper()
	s.do(func(ctx context.Context, tx pg.Tx) (err error) {
		items, err = consumer.Read(ctx, tx, s.org, s.consumer.ID, limit)
		return err
	})
	return items
}

func (s *stream) acknowledge(position int64, only bool) (ended int64) {
	s.t.Helper()
	s.do(func(ctx context.Context, tx pg.Tx) (err error) {
		ended, err = consumer.Acknowledge(ctx, tx, s.org, s.consumer.ID, position, only, "key_1")
		return err
	})
	return ended
}

func (s *stream) dead() (dead []consumer.Dead) {
	s.t.Helper()
	s.do(func(ctx context.Context, tx pg.Tx) (err error) {
		dead, err = consumer.ListDead(ctx, tx, s.org, s.consumer.ID, id.Event{}, 100)
		return err
	})
	return dead
}

// An item that is not acknowledged comes back later each time, with a new position.
// After eight times it is a dead letter, which can be put back.
func TestItemsComeBackAndDie(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.StopClock(t)
	published := s.publish("invoice.paid", 1)[0]
	for i, wait := range []time.Duration{30, 60, 120, 300, 600, 1800, 3600, 3600} {
		items := s.read(10)
		if len(items) != 1 || items[0].EventID != published.ID || int(items[0].Tries) != i+1 || items[0].Position != int64(i+1) || string(items[0].Payload) != string(published.Payload) {
			t.Fatalf("time %d: %+v", i+1, items)
		}
		s.Advance(t, wait*time.Second-time.Millisecond)
		if early := s.read(10); len(early) != 0 {
			t.Fatalf("it came back before %s: %+v", wait*time.Second, early)
		}
		s.Advance(t, time.Millisecond)
	}
	if items := s.read(10); len(items) != 0 {
		t.Fatalf("a ninth time: %+v", items)
	}
	if dead := s.dead(); len(dead) != 1 || dead[0].EventID != published.ID || dead[0].Tries != 8 || dead[0].Position != 8 {
		t.Fatalf("dead letters %+v", dead)
	}
	// Later items are acknowledged without it.
	s.publish("invoice.paid", 1)
	if items := s.read(10); len(items) != 1 || items[0].Position != 9 || s.acknowledge(9, false) != 1 || len(s.dead()) != 1 {
		t.Fatalf("%+v, dead %+v", items, s.dead())
	}
	s.do(func(ctx context.Context, tx pg.Tx) error {
		n, err := consumer.Resend(ctx, tx, s.org, s.consumer.ID, []id.Event{published.ID})
		if n != 1 {
			t.Errorf("%d were put back", n)
		}
		return err
	})
	if items := s.read(10); len(items) != 1 || items[0].EventID != published.ID || items[0].Tries != 1 || len(s.dead()) != 0 {
		t.Errorf("after it was put back: %+v", items)
	}
}

// Dead letters whose event has expired do not shorten a page, so the list does not seem
// to end there.
func TestExpiredDeadLetters(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	published := s.publish("invoice.paid", 6)
	s.Exec(t, `UPDATE event_consumer_item SET died_at = portico_now(), position = 1, tries = 8`)
	s.Exec(t, `DELETE FROM event WHERE id = ANY ($1)`, []id.Event{published[1].ID, published[4].ID})
	s.do(func(ctx context.Context, tx pg.Tx) error {
		first, err := consumer.ListDead(ctx, tx, s.org, s.consumer.ID, id.Event{}, 3)
		testkit.Must(t, err)
		if len(first) != 3 || first[0].EventID != published[5].ID || first[2].EventID != published[2].ID {
			t.Fatalf("the first page: %+v", first)
		}
		rest, err := consumer.ListDead(ctx, tx, s.org, s.consumer.ID, first[2].EventID, 3)
		if len(rest) != 1 || rest[0].EventID != published[0].ID {
			t.Errorf("the rest: %+v", rest)
		}
		return err
	})
}

// Acknowledging a position ends the items up to it; with only, that one. An item that
// was given again is not ended by its earlier position, and a position that was not
// given yet is refused.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.StopClock(t)
	events := s.publish("a", 5)
	first := s.read(5)
	for i := range first {
		if first[i].EventID != events[i].ID || first[i].Position != int64(i+1) {
			t.Fatalf("item %d: %+v", i, first[i])
		}
	}
	if n := s.acknowledge(4, true); n != 1 {
		t.Errorf("one by itself: %d", n)
	}
	if n := s.acknowledge(2, false); n != 2 {
		t.Errorf("up to the second: %d", n)
	}
	s.Advance(t, 30*time.Second)
	again := s.read(5)
	if len(again) != 2 || again[0].EventID != events[2].ID || again[0].Position != 6 || again[1].EventID != events[4].ID || again[1].Position != 7 {
		t.Fatalf("again %+v", again)
	}
	if n := s.acknowledge(5, false); n != 0 {
		t.Errorf("the earlier positions ended %d items that were given again", n)
	}
	err := s.App.InOrg(context.Background(), s.org, func(tx pg.Tx) error {
		_, err := consumer.Acknowledge(context.Background(), tx, s.org, s.consumer.ID, 8, false, "key_1")
		return err
	})
	if err == nil {
		t.Error("a position that was never given was accepted")
	}
	if n := s.acknowledge(7, false); n != 2 || len(s.read(5)) != 0 {
		t.Errorf("the rest: %d", n)
	}
	if by := testkit.Value[string](t, s.Database, `SELECT acknowledged || acknowledged_by FROM event_consumer_progress`); by != "7key_1" {
		t.Errorf("noted %s", by)
	}
}

// Types and filter select, as those of an endpoint. What was published before a
// consumer existed is not in its stream, and neither is what another organization
// publishes.
func TestSelection(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.publish("invoice.paid", 1)
	all := s.consumer
	invoices := s.add("invoices", "invoice.*")
	large := s.add("large", "invoice.paid")
	above := "data.total > 100"
	s.do(func(ctx context.Context, tx pg.Tx) error {
		_, _, err := consumer.Update(ctx, tx, s.org, large.ID, consumer.Change{Filter: &above}, s.Clock.Now())
		return err
	})
	s.publish("invoice.paid", 2)
	s.publish("customer.created", 1)
	for _, tt := range []struct {
		of   consumer.Consumer
		want int
	}{{all, 4}, {invoices, 2}, {large, 2}} {
		s.consumer = tt.of
		if got := len(s.read(100)); got != tt.want {
			t.Errorf("%s was given %d items, want %d", tt.of.Name, got, tt.want)
		}
	}
}

// A reply has about a megabyte of payloads, but always one item.
func TestLargeItems(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	large := json.RawMessage(`"` + strings.Repeat("x", 250<<10) + `"`)
	drafts := make([]event.Draft, 10)
	for i := range drafts {
		drafts[i] = event.Draft{Type: "a", Data: large}
	}
	s.do(func(ctx context.Context, tx pg.Tx) error {
		_, _, err := event.Publish(ctx, tx, s.org, drafts, s.Clock.Now())
		return err
	})
	var given []int
	for {
		items := s.read(100)
		if len(items) == 0 {
			break
		}
		given = append(given, len(items))
	}
	if len(given) != 3 || given[0] != 4 || given[1] != 4 || given[2] != 2 {
		t.Errorf("given %v at a time, want 4, 4 and 2", given)
	}
}

// A deleted consumer's items and row go, and so do items of events that have expired;
// nothing else does.
func TestForget(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	gone := s.add("gone", "*")
	s.publish("a", 3)
	s.Advance(t, 31*24*time.Hour)
	young := s.publish("a", 1)[0]
	s.do(func(ctx context.Context, tx pg.Tx) error {
		_, err := consumer.Delete(ctx, tx, s.org, gone.ID, s.Clock.Now())
		return err
	})
	s.Advance(t, 61*time.Minute)
	ctx := context.Background()
	olds, err := consumer.ListOld(ctx, s.Worker)
	testkit.Must(t, err)
	if len(olds) != 2 {
		t.Fatalf("%+v", olds)
	}
	for _, o := range olds {
		for {
			n, err := consumer.Forget(ctx, s.Worker, o, 30*24*time.Hour, 2)
			testkit.Must(t, err)
			if n < 2 {
				break
			}
		}
	}
	left := testkit.Value[string](t, s.Database, `
		SELECT (SELECT string_agg(name, ',') FROM event_consumer) || ' ' || (SELECT count(*) FROM event_consumer_progress) || ' ' || (SELECT string_agg(event_id::text, ',') FROM event_consumer_item)`)
	if want := "warehouse 1 " + young.ID.UUID.String(); left != want {
		t.Errorf("left %s, want %s", left, want)
	}
	err = s.App.InOrg(ctx, s.org, func(tx pg.Tx) error {
		_, err := consumer.Get(ctx, tx, s.org, gone.ID)
		return err
	})
	if !errors.Is(err, consumer.ErrNotFound) {
		t.Errorf("the deleted consumer: %v", err)
	}
}
