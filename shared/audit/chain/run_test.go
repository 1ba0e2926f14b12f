package chain_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// announce makes the log's transactions wake its sequencer.
func (l *log) announce() (*claim.Waker, *local.Queue) {
	l.t.Helper()
	client, table := testkit.Table(l.t, testkit.DynamoDBEndpoint(l.t), "id")
	nudges, sender := awstest.Queue(l.t)
	waker := &claim.Waker{Queue: audit.Unchained, Database: pg.Home, Due: claim.NewDue(client, table, audit.Unchained, pg.Home, l.Clock), Nudge: sender}
	chain.Announce(l.App, pg.Databases[*claim.Waker]{pg.Home: waker}, l.Clock, observe.NewLog(io.Discard, "test"))
	return waker, nudges
}

// awake returns a sequencer as one process has it.
func (l *log) awake(waker *claim.Waker) *chain.Sequencer {
	s := l.sequencer()
	s.Dispatcher = claim.Dispatcher{
		DB: s.DB, Waker: waker, Clock: l.Clock, Log: s.Log, Lease: time.Minute, Concurrency: 2, Idle: 50 * time.Millisecond, LookEvery: 10 * time.Millisecond,
	}
	return s
}

// A mutation lowers the due item and wakes a sequencer if none is awake; one that is
// rolled back does not. The sequencer chains the entry and sleeps, and then nothing is
// due.
func TestMutationWakesTheSequencer(t *testing.T) {
	t.Parallel()
	l, ctx := newLog(t), context.Background()
	waker, nudges := l.announce()
	_ = l.App.InOrg(ctx, l.org, func(tx pg.Tx) error {
		return errors.Join(audit.Insert(ctx, tx, l.org, l.entry(1)), errors.New("rolled back"))
	})
	if due, err := waker.Due.Read(ctx); err != nil || !due.Missing() || nudges.Depth().Visible != 0 {
		t.Errorf("after a transaction that was rolled back: %+v (%v), %d nudges", due, err, nudges.Depth().Visible)
	}
	l.write(3)
	if due, err := waker.Due.Read(ctx); err != nil || due.Missing() || due.At.After(l.Clock.Now()) || nudges.Depth().Visible != 1 {
		t.Errorf("after three mutations: %+v (%v), %d nudges, want 1", due, err, nudges.Depth().Visible)
	}
	s := l.awake(waker)
	testkit.Must(t, s.Run(ctx))
	l.whole(3)
	if next, err := s.Next(ctx); err != nil || !next.At.IsZero() {
		t.Errorf("the next is %+v, %v", next, err)
	}
}

// Two sequencers that are awake chain all that is written meanwhile: they are told of
// it, and no nudge is sent.
func TestAwakeSequencersChain(t *testing.T) {
	t.Parallel()
	const entries = 100
	l := newLog(t)
	waker, nudges := l.announce()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 2 {
		s := l.awake(waker)
		s.Idle, s.LookEvery = time.Hour, time.Hour
		running.Go(func() { _ = s.Run(ctx) })
	}
	testkit.Await(t, "the sequencers to be awake", func() bool {
		return testkit.Value[int](t, l.Database, `SELECT count(*) FROM dispatcher WHERE queue = $1`, audit.Unchained) == 2
	})
	l.write(entries)
	testkit.Await(t, "the entries to be chained", func() bool { return l.verify(1, last).Verified == entries })
	stop()
	running.Wait()
	l.whole(entries)
	if n := nudges.Depth().Visible; n > 2 {
		t.Errorf("%d nudges, want at most one of each sequencer that was stopped", n)
	}
}

// If a nudge is lost, the sweep finds the entries.
func TestSweepFindsEntries(t *testing.T) {
	t.Parallel()
	l, ctx := newLog(t), context.Background()
	waker, nudges := l.announce()
	l.write(1)
	nudges.Purge()
	s := l.sequencer()
	sweeper := claim.Sweeper{
		DB: l.Worker, Queues: []claim.Swept{s.Swept(waker)}, Clock: l.Clock, Log: s.Log,
		FinishMoves: func(context.Context) (bool, error) { return false, nil },
	}
	testkit.Must(t, sweeper.Sweep(ctx))
	if n := nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
}
