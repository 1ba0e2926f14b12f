package chain_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"testing"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// log is a database with an organization whose entries are chained.
type log struct {
	*testkit.Database
	t   *testing.T
	org id.Org
}

func newLog(t *testing.T) *log {
	t.Helper()
	d := testkit.DB(t)
	return &log{d, t, d.NewOrg(t)}
}

// sequencer returns one with sessions of its own, as another process has.
func (l *log) sequencer() *chain.Sequencer {
	l.t.Helper()
	worker, err := pg.OpenWorker(context.Background(), l.URL("portico_worker"), 2)
	testkit.Must(l.t, err)
	l.t.Cleanup(worker.Close)
	return &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: worker, Log: observe.NewLog(io.Discard, "test")}}
}

// work lets a sequencer work until nothing is due. It reports whether a pass had to
// leave something to another one.
func work(ctx context.Context, s *chain.Sequencer) (again bool, err error) {
	for {
		passes, err := s.Claim(ctx, nil)
		if err != nil || len(passes) == 0 {
			return again, err
		}
		again = s.Do(ctx, passes[0]).Ended().Again || again
	}
}

func (l *log) work(s *chain.Sequencer) {
	l.t.Helper()
	_, err := work(context.Background(), s)
	testkit.Must(l.t, err)
}

// entry is an entry with something in every column.
func (l *log) entry(n int) audit.Entry {
	return audit.Entry{
		Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test", Name: "Ada"},
		Targets: []audit.Target{{Type: "thing", ID: fmt.Sprint(n)}}, Before: audit.Fields{"n": n}, After: audit.Fields{"n": n + 1},
		Origin:    audit.Origin{RequestID: "r", SourceIP: netip.MustParseAddr("203.0.113.7"), UserAgent: "curl"},
		CreatedAt: l.Clock.Now(),
	}
}

// write writes entries, each in a transaction of its own.
func (l *log) write(n int) {
	l.t.Helper()
	for i := range n {
		l.InOrg(l.t, l.org, func(ctx context.Context, tx pg.Tx) error { return audit.Insert(ctx, tx, l.org, l.entry(i)) })
	}
}

// verify verifies a range, page by page.
func (l *log) verify(from, to int64) (all chain.Verification) {
	l.t.Helper()
	for {
		var v chain.Verification
		l.InOrg(l.t, l.org, func(ctx context.Context, tx pg.Tx) (err error) {
			v, err = chain.Verify(ctx, tx, l.org, from, to)
			return err
		})
		v.Verified, v.Erased = v.Verified+all.Verified, v.Erased+all.Erased
		if all = v; v.Fault != nil || v.To >= min(to, v.Head.Number) {
			return all
		}
		from = v.To + 1
	}
}

const last = 1 << 62

// whole checks that the chain has every entry, without a gap, and is valid.
func (l *log) whole(entries int) {
	l.t.Helper()
	v := l.verify(1, last)
	if v.Fault != nil || v.Verified != int64(entries) || v.Head.Number != int64(entries) {
		l.t.Fatalf("verified %d of %d, head %d, %+v", v.Verified, entries, v.Head.Number, v.Fault)
	}
	left := testkit.Value[int](l.t, l.Database, `SELECT count(*) FROM audit_unchained WHERE org_id = $1`, l.org)
	if n := testkit.Value[int](l.t, l.Database, `SELECT count(*) FROM audit_entry WHERE org_id = $1`, l.org); n != entries || left != 0 {
		l.t.Fatalf("%d entries of %d, %d are not chained", n, entries, left)
	}
}

// The sequencer is a queue of the engine.
var _ claim.Queue[chain.Lane, chain.Pass, chain.Passed] = (*chain.Sequencer)(nil)
