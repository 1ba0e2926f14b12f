package placement_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

func (p *pair) sequencer(database string) *chain.Sequencer {
	return &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: p.at[database].Worker, Log: observe.NewLog(io.Discard, "test")}}
}

// sequence chains the entries of a database until ctx ends.
func (p *pair) sequence(ctx context.Context, database string) {
	s := p.sequencer(database)
	for ctx.Err() == nil {
		passes, err := s.Claim(context.Background(), nil)
		if err != nil {
			p.t.Errorf("the sequencer of %s: %v", database, err)
		}
		for _, pass := range passes {
			s.Do(context.Background(), pass)
		}
	}
}

// record writes audit entries as the API does, one after the other, until ctx ends.
func (p *pair) record(ctx context.Context, db *pg.DB) (entries int) {
	for ctx.Err() == nil {
		err := db.InOrg(context.Background(), p.org, func(tx pg.Tx) error {
			return audit.Insert(context.Background(), tx, p.org, audit.Entry{
				Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test", Name: "Ada"}, CreatedAt: p.at[pg.Home].Clock.Now(),
			})
		})
		if err != nil {
			p.t.Error(err)
			return entries
		}
		entries++
	}
	return entries
}

// An organization moves to the other database and back while entries are written and
// the sequencers of both databases work: its chain has every entry, without a gap, and
// is valid.
func TestChainMoves(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for database := range p.at {
		working.Go(func() { p.sequence(ctx, database) })
	}
	var counts [2]int
	for i := range counts {
		db := p.another()
		working.Go(func() { counts[i] = p.record(ctx, db) })
	}
	var numbers []int64
	for _, to := range []string{acme, pg.Home, acme} {
		_, err := p.mover.Move(context.Background(), p.org, to)
		testkit.Must(t, err)
		p.livesIn(to)
		before := testkit.Value[int64](t, p.at[to], `SELECT coalesce(max(number), 0) FROM audit_chain WHERE org_id = $1`, p.org)
		testkit.Await(t, "the chain to go on", func() bool {
			return testkit.Value[int64](t, p.at[to], `SELECT coalesce(max(number), 0) FROM audit_chain WHERE org_id = $1`, p.org) > before
		})
		numbers = append(numbers, before)
	}
	stop()
	working.Wait()
	s := p.sequencer(acme)
	for passes, err := s.Claim(context.Background(), nil); len(passes) > 0 || err != nil; passes, err = s.Claim(context.Background(), nil) {
		testkit.Must(t, err)
		s.Do(context.Background(), passes[0])
	}
	var v chain.Verification
	verified := int64(0)
	for from := int64(1); from == 1 || v.To < v.Head.Number && v.Fault == nil; from = v.To + 1 {
		testkit.Must(t, p.db.InOrg(context.Background(), p.org, func(tx pg.Tx) (err error) {
			v, err = chain.Verify(context.Background(), tx, p.org, from, 1<<60)
			return err
		}))
		verified += v.Verified
	}
	if want := int64(counts[0] + counts[1]); v.Fault != nil || verified != want || v.Head.Number != want || want < 20 {
		t.Errorf("verified %d of %d, head %d, %+v; when it arrived the chains ended at %v", verified, want, v.Head.Number, v.Fault, numbers)
	}
	if numbers[1] == 0 || numbers[2] <= numbers[1] {
		t.Errorf("when it arrived the chains ended at %v", numbers)
	}
}
