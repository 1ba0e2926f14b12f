package chain_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var (
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the order of commits")
	rounds = flag.Int("rounds", 100, "how many orders of commits")
)

// Two sequencers work on several organizations while many transactions write entries:
// each chain has all entries, without a gap.
func TestSequencersTogether(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 60
	l := newLog(t)
	logs := []*log{l, {l.Database, t, l.NewOrg(t)}, {l.Database, t, l.NewOrg(t)}}
	app, err := pg.OpenFor(context.Background(), l.URL("portico_app"), writers)
	testkit.Must(t, err)
	t.Cleanup(app.Close)
	ctx, stop := context.WithCancel(context.Background())
	var writing, sequencing sync.WaitGroup
	for range 2 {
		s := l.sequencer()
		sequencing.Go(func() {
			for {
				if _, err := work(context.Background(), s); err != nil {
					t.Error(err)
				}
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				one := logs[(w+i)%len(logs)]
				err := app.InOrg(context.Background(), one.org, func(tx pg.Tx) error {
					return audit.Insert(context.Background(), tx, one.org, one.entry(i))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	stop()
	sequencing.Wait()
	l.work(l.sequencer())
	for _, one := range logs {
		one.whole(writers * each / len(logs))
	}
}

// writing is a mutation whose transaction has its entry, and commits when it is told.
type writing struct {
	commit chan struct{}
	done   chan error
}

func (l *log) begin(app *pg.DB, n int) *writing {
	w := &writing{commit: make(chan struct{}), done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		w.done <- app.InOrg(context.Background(), l.org, func(tx pg.Tx) error {
			err := audit.Insert(context.Background(), tx, l.org, l.entry(n))
			close(ready)
			<-w.commit
			return err
		})
	}()
	<-ready
	return w
}

// Entries whose transactions commit in another order than that of their ids: none is
// skipped, and what commits before a pass has a lower number than what commits after.
func TestNoCommitOrderHidesAnEntry(t *testing.T) {
	t.Parallel()
	const inFlight = 4
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	l := newLog(t)
	s := l.sequencer()
	app, err := pg.OpenFor(context.Background(), l.URL("portico_app"), inFlight)
	testkit.Must(t, err)
	t.Cleanup(app.Close)
	var batches [][]string // the targets of the entries that committed between two passes
	var batch []string
	pass := func() {
		l.work(s)
		batches, batch = append(batches, batch), nil
	}
	for round := range *rounds {
		var open []*writing
		for i := range inFlight {
			open = append(open, l.begin(app, inFlight*round+i))
		}
		for _, i := range random.Perm(len(open)) {
			close(open[i].commit)
			testkit.Must(t, <-open[i].done)
			batch = append(batch, fmt.Sprint(inFlight*round+i))
			if random.IntN(3) > 0 {
				pass()
			}
		}
		pass()
	}
	l.whole(inFlight * *rounds)
	order := testkit.Value[[]string](t, l.Database, `
		SELECT array_agg(e.targets -> 0 ->> 'id' ORDER BY c.number) FROM audit_chain c JOIN audit_entry e ON e.id = c.entry_id`)
	jumps := 0 // an id cursor would have skipped these
	for i, batch := range batches {
		slices.SortFunc(batch, func(a, b string) int { return number(a) - number(b) }) // as their ids
		chained := order[:len(batch)]
		if !slices.Equal(chained, batch) {
			t.Fatalf("pass %d: chained are %v, committed were %v", i, chained, batch)
		}
		if order = order[len(batch):]; len(batch) > 0 && len(order) > 0 && number(batch[len(batch)-1]) > number(order[0]) {
			jumps++
		}
	}
	if jumps == 0 {
		t.Error("all entries committed in the order of their ids: the test proves nothing")
	}
}

func number(text string) (n int) { _, _ = fmt.Sscan(text, &n); return n }

// A sequencer is killed between any two statements of a pass. The next one continues
// without a gap and without a double.
func TestSequencerSurvivesKills(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	entries := 0
	for kill := 1; ; kill++ {
		l.write(5)
		entries += 5
		s, passed := l.sequencer(), 0
		s.Crash = func(string) {
			if passed++; passed == kill {
				l.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_worker'`)
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = work(context.Background(), s)
		}()
		l.work(l.sequencer())
		l.whole(entries)
		if passed < kill {
			if kill < 5 {
				t.Errorf("a pass has only %d points", passed)
			}
			return
		}
	}
}
