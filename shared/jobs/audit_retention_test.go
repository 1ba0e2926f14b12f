package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// keepsLog sets for how many days the organization keeps its audit log; nil: as the stage.
func (c *customer) keepsLog(days any) {
	c.t.Helper()
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		change := map[string]any{org.AuditRetentionDays.Name: days}
		testkit.Must(c.t, org.CheckSettings("settings", change))
		_, _, err := org.Update(ctx, tx, c.org, org.Change{Settings: change}, c.Clock.Now())
		return err
	})
}

// enter writes audit entries.
func (c *customer) enter(n int) {
	c.t.Helper()
	for i := range n {
		c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
			return audit.Insert(ctx, tx, c.org, audit.Entry{
				Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test"}, Targets: []audit.Target{{Type: "role", ID: fmt.Sprint(i)}},
				CreatedAt: c.Clock.Now(),
			})
		})
	}
}

// chainEntries lets a sequencer work until nothing waits. Then all entries are archived.
func chainEntries(t *testing.T, db *testkit.Database) {
	t.Helper()
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: db.Worker, Clock: db.Clock, Log: observe.NewLog(io.Discard, "test")}}
	for {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(t, err)
		if len(passes) == 0 {
			db.Exec(t, `UPDATE audit_head SET archived = number`)
			return
		}
		s.Do(context.Background(), passes[0])
	}
}

// log checks that the organization's log is valid, from one number to another, and has no
// other entries.
func (c *customer) log(first, last int64) {
	c.t.Helper()
	var v chain.Verification
	var entries []audit.Entry
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) (err error) {
		if v, err = chain.Verify(ctx, tx, c.org, 1, 5000); err == nil {
			entries, _, err = audit.List(ctx, tx, c.org, audit.Filter{}, 1000)
		}
		return err
	})
	if v.Fault != nil || v.First != first || v.Head.Number != last || v.Verified != last-first+1 || int64(len(entries)) != v.Verified {
		c.t.Errorf("%d entries; the log is %+v (%+v), want %d…%d", len(entries), v, v.Fault, first, last)
	}
	targets := testkit.Value[int64](c.t, c.Database, `SELECT count(*) FROM audit_target WHERE org_id = $1`, c.org)
	places := testkit.Value[int64](c.t, c.Database, `SELECT count(*) FROM audit_chain WHERE org_id = $1`, c.org)
	if targets != v.Verified || places != v.Verified {
		c.t.Errorf("%d targets and %d places are left, want %d", targets, places, v.Verified)
	}
}

// The upkeep removes the entries of an organization that are older than it keeps them.
// The rest of the chain stays valid, and grows. Others keep theirs.
func TestExpireAuditEntries(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	u, _ := newUpkeep(t, db, io.Discard)
	month, stage, moving, all := &customer{db, t, db.NewOrg(t)}, &customer{db, t, db.NewOrg(t)}, &customer{db, t, db.NewOrg(t)}, &customer{db, t, db.NewOrg(t)}
	for _, c := range []*customer{month, stage, moving, all} {
		c.enter(5)
	}
	month.keepsLog(30.0)
	moving.keepsLog(30.0)
	all.keepsLog(30.0)
	chainEntries(t, db)
	db.Advance(t, 20*days)
	for _, c := range []*customer{month, stage, moving} {
		c.enter(3)
	}
	chainEntries(t, db)
	if done := mustMaintain(t, u); done.AuditEntriesExpired != 0 {
		t.Errorf("%d entries of 20 days were removed", done.AuditEntriesExpired)
	}
	db.Advance(t, 11*days)
	db.Place(t, moving.org, "draining", "acme")
	if done := mustMaintain(t, u); done.AuditEntriesExpired != 10 {
		t.Errorf("%d entries were removed, want 10", done.AuditEntriesExpired)
	}
	month.log(6, 8)
	stage.log(1, 8)
	moving.log(1, 8)
	all.log(6, 5)
	month.enter(2)
	all.enter(2)
	chainEntries(t, db)
	month.log(6, 10)
	all.log(6, 7)
	month.keepsLog(nil)
	db.Advance(t, 100*days) // the move was given up long ago
	if done := mustMaintain(t, u); done.AuditEntriesExpired != 8+2 {
		t.Errorf("%d entries were removed, want those of the two that have a time of their own", done.AuditEntriesExpired)
	}
	month.log(6, 10)
	moving.log(9, 8)
}

// Many entries are removed in batches; a forged beginning is found.
func TestExpireAuditEntriesInBatches(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	u, _ := newUpkeep(t, db, io.Discard)
	c := &customer{db, t, db.NewOrg(t)}
	c.exec(`INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(gen_random_uuid()::text PLACING left(uuid_floor(portico_now())::text, 13) FROM 1)::uuid, 'a.b', 'system', 'test', '[]', '', '', portico_now()
		FROM generate_series(1, 2500)`, c.org)
	c.keepsLog(30.0)
	chainEntries(t, db)
	db.Advance(t, 31*days)
	c.enter(2)
	chainEntries(t, db)
	db.Exec(t, `UPDATE audit_head SET archived = 2100`)
	if done := mustMaintain(t, u); done.AuditEntriesExpired != 2100 {
		t.Errorf("%d entries were removed, want those that are in the archive", done.AuditEntriesExpired)
	}
	db.Exec(t, `UPDATE audit_head SET archived = number`)
	if done := mustMaintain(t, u); done.AuditEntriesExpired != 400 {
		t.Errorf("%d entries were removed, want the other 400", done.AuditEntriesExpired)
	}
	c.log(2501, 2502)
	c.exec(`UPDATE audit_head SET first = 2502`)
	var v chain.Verification
	c.InOrg(t, c.org, func(ctx context.Context, tx pg.Tx) (err error) {
		v, err = chain.Verify(ctx, tx, c.org, 1, 5000)
		return err
	})
	if v.Fault == nil {
		t.Error("a beginning that was moved is not found")
	}
}

// Quarters that are older than the stage keeps the log are dropped for all organizations
// at once. One with an entry that is not chained stays, and the log says so. Entries that
// are written meanwhile do not wait.
func TestDropAuditQuarters(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	var out bytes.Buffer
	u, _ := newUpkeep(t, db, &out)
	u.KeepAudit = 90 * days
	one, two := &customer{db, t, db.NewOrg(t)}, &customer{db, t, db.NewOrg(t)}
	one.enter(4)
	two.enter(1)
	chainEntries(t, db)
	db.Advance(t, 100*days) // the next quarter has begun
	db.Exec(t, `SELECT make_partitions()`)
	one.enter(2)
	two.enter(3)
	chainEntries(t, db)
	db.Advance(t, 89*days)
	two.enter(1)
	tx, err := db.Admin.Begin(context.Background())
	testkit.Must(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(context.Background(), `SELECT FROM organization FOR UPDATE`)
	testkit.Must(t, err)
	if done := mustMaintain(t, u); done.AuditQuartersDropped == 0 {
		t.Error("no quarter was dropped while a row of its organization is locked")
	}
	testkit.Must(t, tx.Rollback(context.Background()))
	chainEntries(t, db)
	one.log(5, 6)
	two.log(2, 5)

	one.enter(1) // it waits for the chain
	db.Advance(t, 400*days)
	db.Exec(t, `SELECT make_partitions()`)
	out.Reset()
	mustMaintain(t, u)
	if kept := lines(t, &out, "an expired quarter of the audit log is kept"); len(kept) != 1 {
		t.Errorf("%d lines about quarters that are kept, want 1", len(kept))
	}
	chainEntries(t, db)
	one.log(7, 7)
	db.Exec(t, `UPDATE audit_head SET archived = 6 WHERE org_id = $1`, one.org)
	if done := mustMaintain(t, u); done.AuditQuartersDropped != 0 {
		t.Error("a quarter was dropped with an entry that is not in the archive")
	}
	db.Exec(t, `UPDATE audit_head SET archived = 7 WHERE org_id = $1`, one.org)
	mustMaintain(t, u)
	one.log(8, 7)
	two.log(6, 5)
	one.enter(1)
	chainEntries(t, db)
	one.log(8, 8)
}
