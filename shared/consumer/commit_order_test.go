package consumer_test

import (
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var (
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the order of commits")
	rounds = flag.Int("rounds", 100, "how many orders of commits")
)

// inFlight is how many transactions are open at once.
const inFlight = 4

// with lets the test have more sessions than an environment has.
func (s *stream) with(sessions int32) *stream {
	s.t.Helper()
	app, err := pg.OpenFor(context.Background(), s.URL("portico_app"), sessions)
	testkit.Must(s.t, err)
	s.t.Cleanup(app.Close)
	s.App = app
	return s
}

// publishing is a publish whose transaction has its event, and commits when it is told.
type publishing struct {
	event  id.Event
	commit chan struct{}
	done   chan error
}

func (s *stream) begin() *publishing {
	p := &publishing{commit: make(chan struct{}), done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		p.done <- s.App.InOrg(context.Background(), s.org, func(tx pg.Tx) error {
			events, _, err := event.Publish(context.Background(), tx, s.org, []event.Draft{{Type: "a", Data: json.RawMessage(`1`)}}, s.Clock.Now())
			if err == nil {
				p.event = events[0].ID
			}
			close(ready)
			<-p.commit
			return err
		})
	}()
	<-ready
	return p
}

func (p *publishing) end(t *testing.T) {
	t.Helper()
	close(p.commit)
	testkit.Must(t, <-p.done)
}

// Events whose transactions commit in another order than that of their ids: the stream
// has each of them once, however reads and commits alternate. A cursor over ids, which
// the same rounds read, skips events; if it did not, the test would prove nothing.
func TestNoCommitOrderHidesAnEvent(t *testing.T) {
	t.Parallel()
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	s := newStream(t).with(inFlight + 1)
	s.StopClock(t) // so that no item comes back
	skipped := 0
	var last id.Event // the cursor over ids
	for round := range *rounds {
		var open []*publishing
		for range inFlight {
			s.Advance(t, time.Millisecond)
			open = append(open, s.begin())
		}
		var want, given, seen []id.Event
		for _, i := range random.Perm(len(open)) {
			open[i].end(t)
			want = append(want, open[i].event)
			if random.IntN(3) > 0 {
				given, seen = append(given, s.take()...), append(seen, s.after(&last)...)
			}
		}
		given, seen = append(given, s.take()...), append(seen, s.after(&last)...)
		slices.SortFunc(given, byID)
		slices.SortFunc(want, byID)
		if !slices.Equal(given, want) {
			t.Fatalf("round %d: the stream has %v, committed were %v", round, given, want)
		}
		skipped += len(want) - len(seen)
	}
	if skipped == 0 {
		t.Error("the cursor over ids has skipped nothing: the orders of commits were too simple")
	}
	t.Logf("in %d rounds the stream skipped nothing, a cursor over ids %d of %d events", *rounds, skipped, *rounds*inFlight)
}

func byID(a, b id.Event) int { return slices.Compare(a.UUID[:], b.UUID[:]) }

// take reads and acknowledges all that is due.
func (s *stream) take() (events []id.Event) {
	s.t.Helper()
	for _, item := range s.read(100) {
		events = append(events, item.EventID)
		s.acknowledge(item.Position, false)
	}
	return events
}

// after reads the events with a higher id than the last that it has read.
func (s *stream) after(last *id.Event) (events []id.Event) {
	s.t.Helper()
	s.do(func(ctx context.Context, tx pg.Tx) (err error) {
		events, err = pg.List[id.Event](ctx, tx, "test", `
			SELECT id FROM event WHERE org_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id`, s.org, *last)
		return err
	})
	if len(events) > 0 {
		*last = events[len(events)-1]
	}
	return events
}

// Many publishers and readers at the same time: each event is given exactly once while
// readers acknowledge in time, and no two items have one position.
func TestReadersShare(t *testing.T) {
	t.Parallel()
	const publishers, each, readers = 4, 25, 3
	s := newStream(t).with(publishers + readers)
	var wait sync.WaitGroup
	for range publishers {
		wait.Go(func() {
			for range each {
				p := s.begin()
				p.end(t)
			}
		})
	}
	var mu sync.Mutex
	given, positions := map[id.Event]int{}, map[int64]int{}
	for range readers {
		wait.Go(func() {
			testkit.Await(t, "all events are given", func() bool {
				for _, item := range s.read(7) {
					s.acknowledge(item.Position, true)
					mu.Lock()
					given[item.EventID]++
					positions[item.Position]++
					mu.Unlock()
				}
				mu.Lock()
				defer mu.Unlock()
				return len(given) == publishers*each
			})
		})
	}
	wait.Wait()
	for e, n := range given {
		if n != 1 {
			t.Errorf("%s was given %d times", e, n)
		}
	}
	if len(positions) != publishers*each {
		t.Errorf("%d positions for %d items", len(positions), publishers*each)
	}
}
