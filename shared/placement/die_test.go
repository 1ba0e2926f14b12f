package placement_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/placement"
	"portico/shared/testkit"
	"portico/shared/webhook/dispatching"
)

// moveThatDies moves the organization to acme until it reports a given line of
// progress. There it calls meanwhile, and the process dies.
func (tr *traffic) moveThatDies(line string, meanwhile func()) {
	tr.t.Helper()
	died := make(chan struct{})
	tr.progress = func(said string) {
		if strings.Contains(said, line) {
			meanwhile()
			runtime.Goexit() // which closes the sessions, as the end of a process does
		}
	}
	go func() {
		defer close(died)
		_, err := tr.mover.Move(context.Background(), tr.org, acme)
		tr.t.Errorf("the move did not die: %v", err)
	}()
	<-died
	// Postgres notices a little later that the sessions are closed.
	testkit.Await(tr.t, "the end of the mover's locks", func() bool {
		held := 0
		for _, d := range tr.at {
			held += testkit.Value[int](tr.t, d, `SELECT count(*) FROM pg_locks l JOIN pg_database b ON b.oid = l.database WHERE l.locktype = 'advisory' AND b.datname = current_database()`)
		}
		return held == 0
	})
	tr.progress = func(string) {}
}

// lowersAndWakes gives the mover the same Lower and Wake as the job.
func (tr *traffic) lowersAndWakes() {
	tr.mover.Lower = func(ctx context.Context, database string) error {
		return tr.wakers[database].Due.Lower(ctx, tr.at[database].Clock.Now())
	}
	tr.mover.Wake = func(ctx context.Context, database string) { testkit.Must(tr.t, tr.wakers[database].Wake(ctx)) }
}

// sweep sweeps a database a minute later, and returns how many nudges were sent
// and which moves were finished.
func (tr *traffic) sweep(database string) (nudges int, arrived []id.Org) {
	tr.t.Helper()
	ctx, d := context.Background(), tr.at[database]
	for _, d := range tr.at {
		d.Advance(tr.t, time.Minute)
	}
	finisher := placement.Finisher{
		Workers:  map[string]*pg.Worker{pg.Home: tr.at[pg.Home].Worker, acme: tr.at[acme].Worker},
		Finished: func(org id.Org, _, _ string) { arrived = append(arrived, org) },
	}
	before := tr.nudges.Depth().Visible
	sweeper := claim.Sweeper{
		DB: d.Worker, Queues: []claim.Swept{dispatching.Swept(d.Worker, tr.wakers[database])}, Clock: d.Clock, Log: observe.NewLog(io.Discard, "test"),
		FinishMoves: func(ctx context.Context) (bool, error) { return finisher.Finish(ctx, database) },
	}
	testkit.Must(tr.t, sweeper.Sweep(ctx))
	return tr.nudges.Depth().Visible - before, arrived
}

// publishOne publishes an event as the API does, but notifies no dispatcher.
func (tr *traffic) publishOne() {
	tr.t.Helper()
	tr.at[pg.Home].InOrg(tr.t, tr.org, func(ctx context.Context, tx pg.Tx) error {
		_, due, err := event.Publish(ctx, tx, tr.org, []event.Draft{{Type: "invoice.paid", Data: []byte(`{}`)}}, tr.at[pg.Home].Clock.Now())
		if err != nil || len(due) != 1 {
			tr.t.Errorf("%d deliveries are due", len(due))
			return err
		}
		database := pg.DatabaseOf(tx)
		return tr.wakers[database].Due.Lower(ctx, tr.at[database].Clock.Now())
	})
}

// The sweep finds deliveries that wait for a move: if the mover died, they are
// due when its announcement ends.
func TestDeliveriesOutliveTheirMover(t *testing.T) {
	t.Parallel()
	tr := newTraffic(newPair(t))
	tr.lowersAndWakes()
	tr.endpoint("https://example.com/")
	tr.moveThatDies("stopping writers", tr.publishOne)
	for minute := 1; minute <= 3; minute++ {
		if n, _ := tr.sweep(pg.Home); n != 0 {
			t.Errorf("%d nudges in minute %d, while nothing may be sent", n, minute)
		}
	}
	tr.sweep(pg.Home)
	tr.sweep(pg.Home)
	if n, _ := tr.sweep(pg.Home); n != 1 {
		t.Errorf("%d nudges after the mover's time, want 1", n)
	}
}

// When a move is undone, the deliveries that waited for it are due at once, and a
// dispatcher is woken.
func TestUndoneMoveWakes(t *testing.T) {
	t.Parallel()
	tr := newTraffic(newPair(t))
	tr.lowersAndWakes()
	tr.endpoint("https://example.com/")
	ctx, fail := context.WithCancel(context.Background())
	tr.progress = func(said string) {
		if strings.Contains(said, "stopping writers") {
			tr.publishOne()
			tr.sweep(pg.Home)
			tr.sweep(pg.Home) // the item is raised
			fail()
		}
	}
	before := tr.nudges.Depth().Visible
	if _, err := tr.mover.Move(ctx, tr.org, acme); err == nil {
		t.Fatal("the move did not fail")
	}
	item, err := tr.wakers[pg.Home].Due.Read(context.Background())
	testkit.Must(t, err)
	if item.At.IsZero() || item.At.After(tr.at[pg.Home].Clock.Now()) || tr.nudges.Depth().Visible != before+1 {
		t.Errorf("due at %v, %d nudges", item.At, tr.nudges.Depth().Visible-before)
	}
}

// If a mover died after the decision, the next sweep of the new database finishes
// the move, and deliveries are sent. While a mover is running, the sweep does
// nothing and looks again a minute later.
func TestSweepFinishesMove(t *testing.T) {
	t.Parallel()
	tr := newTraffic(newPair(t))
	tr.lowersAndWakes()
	tr.endpoint("https://example.com/")
	tr.publishOne()
	tr.moveThatDies("is decided", func() {
		for range 3 {
			if n, arrived := tr.sweep(acme); n != 0 || arrived != nil {
				t.Errorf("beside the mover: %d nudges, %v let in", n, arrived)
			}
		}
	})
	n, arrived := tr.sweep(acme)
	if n != 1 || len(arrived) != 1 || arrived[0] != tr.org {
		t.Errorf("%d nudges, %v let in", n, arrived)
	}
	if found, err := tr.rename(tr.another(), "found"); err != nil || found != acme {
		t.Errorf("a write goes to %q, %v", found, err)
	}
	done, err := tr.mover.Move(context.Background(), tr.org, acme) // erases what was left behind
	testkit.Must(t, err)
	if done.Rows != 0 {
		t.Errorf("%+v", done)
	}
	tr.livesIn(acme)
}

// If an organization comes from a database that is no longer configured, an error
// names it, and other moves are still finished. An organization whose move was
// not decided stays in its database.
func TestFinishOneByOne(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	lost, undecided := p.at[pg.Home].NewOrg(t), p.at[pg.Home].NewOrg(t)
	p.at[acme].Place(t, lost, "arriving", "berlin")
	p.at[acme].Place(t, p.org, "arriving", pg.Home)
	p.at[acme].Place(t, undecided, "arriving", pg.Home)
	p.at[pg.Home].Place(t, p.org, "left", acme)
	var arrived []id.Org
	f := placement.Finisher{
		Workers:  map[string]*pg.Worker{pg.Home: p.at[pg.Home].Worker, acme: p.at[acme].Worker},
		Finished: func(org id.Org, _, _ string) { arrived = append(arrived, org) },
	}
	moving, err := f.Finish(ctx, acme)
	if moving || err == nil || !strings.Contains(err.Error(), lost.String()) || len(arrived) != 1 || arrived[0] != p.org {
		t.Errorf("moving %v, %v; %v let in", moving, err, arrived)
	}
	rows, _ := p.at[acme].Admin.Query(ctx, `SELECT org_id FROM placement`)
	if left, err := pgx.CollectRows(rows, pgx.RowTo[id.Org]); err != nil || len(left) != 2 {
		t.Errorf("%v are left, %v", left, err)
	}
}
