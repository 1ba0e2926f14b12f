package chain_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// An organization is erased while a pass is about to chain its entries: nothing of it is
// written, so no row of it is left.
func TestErasedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(3)
	s := l.sequencer()
	s.Crash = func(point string) {
		if point == "read" {
			l.Exec(t, `DELETE FROM audit_unchained`)
		}
	}
	if again, err := work(context.Background(), s); err != nil || !again {
		t.Errorf("the pass succeeded, %v", err)
	}
	if n := testkit.Value[int](t, l.Database, `SELECT (SELECT count(*) FROM audit_chain) + (SELECT count(*) FROM audit_head)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A pass reads only what it chains, also in a session whose plans were made when the
// tables were empty, beside many entries of others.
func TestPlansOfAnEmptyTable(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	other := l.NewOrg(t)
	s := l.sequencer()
	s.DB = l.OneSession(t)
	for range 7 { // then the plans are generic
		l.write(1)
		l.work(s)
	}
	l.Place(t, other, "draining", "acme") // its entries wait
	l.Exec(t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
		SELECT $1, `+newID+`, 'a.b', 'system', 'test', '[]', '', '', portico_now() FROM generate_series(1, 5000)`, other)
	l.write(20)
	read := func() (rows int64) {
		for _, table := range []string{"audit_entry", "audit_unchained", "audit_chain"} {
			rows += l.RowsRead(t, s.DB, table)
		}
		return rows
	}
	before := read()
	l.work(s)
	if rows := read() - before; rows > 500 {
		t.Errorf("chaining 20 entries read %d rows", rows)
	}
	l.whole(27)
}

// While one pass works on an organization, another one leaves it alone and says when
// to look again, and does the others.
func TestPassLeavesLockedChains(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	other := &log{l.Database, t, l.NewOrg(t)}
	l.write(1)
	l.work(l.sequencer())
	l.write(2)
	other.write(2)
	tx, err := l.Admin.Begin(context.Background())
	testkit.Must(t, err)
	_, err = tx.Exec(context.Background(), `SELECT FROM audit_head WHERE org_id = $1 FOR UPDATE`, l.org)
	testkit.Must(t, err)
	s := l.sequencer()
	again, err := work(context.Background(), s)
	testkit.Must(t, err)
	testkit.Must(t, tx.Rollback(context.Background()))
	if !again {
		t.Error("nobody looks again")
	}
	other.whole(2)
	testkit.Await(t, "the turn of the locked organization", func() bool {
		l.work(s)
		return l.verify(1, last).Verified == 3
	})
	l.whole(3)
}

// Organizations that are moving or closed, or whose entries cannot be chained, do not
// hold up the others. The platform's own log is chained, too.
func TestPassLeavesOut(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	moving, closed, broken := &log{l.Database, t, l.NewOrg(t)}, &log{l.Database, t, l.NewOrg(t)}, &log{l.Database, t, l.NewOrg(t)}
	for _, one := range []*log{l, moving, closed, broken} {
		one.write(2)
	}
	testkit.Must(t, l.App.PlatformThen(context.Background(), func(tx pg.Tx) error {
		return audit.Insert(context.Background(), tx, id.Org{}, l.entry(1))
	}, nil))
	l.Place(t, moving.org, "draining", "acme")
	l.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, closed.org)
	l.Exec(t, fmt.Sprintf(`ALTER TABLE audit_chain ADD CONSTRAINT broken CHECK (org_id <> '%s')`, broken.org.UUID))
	s := l.sequencer()
	again, err := work(context.Background(), s)
	testkit.Must(t, err)
	if !again {
		t.Error("nobody looks again at the organization that failed")
	}
	l.whole(2)
	if n := testkit.Value[int](t, l.Database, `SELECT count(DISTINCT org_id) FROM audit_chain`); n != 2 {
		t.Errorf("%d chains, want that of the organization and of the platform", n)
	}
	l.Exec(t, `ALTER TABLE audit_chain DROP CONSTRAINT broken; DELETE FROM placement`)
	l.work(l.sequencer())
	moving.whole(2)
	broken.whole(2)
}

// A move or a closing that is announced between the claim and the pass stops the pass.
func TestPassLooksAgainWhoLivesHere(t *testing.T) {
	t.Parallel()
	l, ctx := newLog(t), context.Background()
	closed := &log{l.Database, t, l.NewOrg(t)}
	s := l.sequencer()
	l.write(1)
	closed.write(1)
	passes, err := s.Claim(ctx, nil)
	testkit.Must(t, err)
	l.Place(t, l.org, "draining", "acme")
	l.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, closed.org)
	if again := s.Do(ctx, passes[0]).Ended().Again; !again {
		t.Error("nobody looks again")
	}
	if n := testkit.Value[int](t, l.Database, `SELECT (SELECT count(*) FROM audit_chain) + (SELECT count(*) FROM audit_head)`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// Next says since when entries wait, and for a moving organization when its move ends.
func TestNext(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	s, ctx := l.sequencer(), context.Background()
	if next, err := s.Next(ctx); err != nil || !next.At.IsZero() {
		t.Errorf("without entries: %+v, %v", next, err)
	}
	l.write(1)
	l.Advance(t, time.Minute)
	if next, err := s.Next(ctx); err != nil || !next.Due || next.Age < time.Minute || next.Age > 2*time.Minute {
		t.Errorf("with an entry: %+v, %v", next, err)
	}
	l.Exec(t, `INSERT INTO placement (org_id, state, database, until) VALUES ($1, 'leaving', 'acme', portico_now() + interval '1 hour')`, l.org)
	if next, err := s.Next(ctx); err != nil || next.Due || next.Age > -50*time.Minute {
		t.Errorf("while it moves: %+v, %v", next, err)
	}
	l.Exec(t, `UPDATE placement SET until = 'infinity', state = 'left'`)
	if next, err := s.Next(ctx); err != nil || !next.At.IsZero() {
		t.Errorf("after it has left: %+v, %v", next, err)
	}
}

// How many entries a second one sequencer chains, of one organization and of many.
func TestSpeed(t *testing.T) {
	const entries = 20000
	l := newLog(t)
	many := []id.Org{l.org}
	for range 99 {
		many = append(many, l.NewOrg(t))
	}
	for _, orgs := range [][]id.Org{many[:1], many} {
		l.Exec(t, `
			INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, after, request_id, user_agent, created_at)
			SELECT ($1::uuid[])[1 + n % cardinality($1)], `+newID+`, 'thing.update', 'system', 'test', '[]', '{"a":1}', 'r', 'u', portico_now()
			FROM generate_series(1, $2::integer) AS n`, orgs, entries)
		began, s := time.Now(), l.sequencer()
		l.work(s)
		t.Logf("%d organizations: %.0f entries a second", len(orgs), entries/time.Since(began).Seconds())
	}
	v := l.verify(1, last)
	if v.Fault != nil || v.Verified != entries+entries/100 {
		t.Errorf("%+v", v)
	}
}
