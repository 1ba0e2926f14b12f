package placement_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/placement"
	"portico/shared/testkit"
)

// user is a member of the organization that moves, and the same in both databases.
var user = id.New[id.User](time.Now())

// Every row of every table is moved unchanged, the old database keeps none, and
// another organization is not affected. Then it moves back.
func TestMove(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	home := p.at[pg.Home]
	for _, d := range p.at { // who is in both is one user
		d.AddUser(t, user, "both@example.com")
	}
	neighbour := home.NewOrg(t)
	for _, org := range []id.Org{p.org, neighbour} {
		testkit.Everything(t, home, org, user)
	}
	// The organization is older than the other database.
	home.Exec(t, `
		SELECT make_partitions('2025-02-03');
		UPDATE organization SET created_at = '2025-02-03';
		INSERT INTO event (org_id, id, type, payload, created_at) SELECT id, uuid_floor('2025-02-04'), 't', '', '2025-02-04' FROM organization WHERE name = 'Acme'`)
	before, beside := p.content(pg.Home), home.Rows(t, neighbour)
	done, err := p.mover.Move(ctx, p.org, acme)
	testkit.Must(t, err)
	p.same(before, p.content(acme))
	if done.From != pg.Home || done.To != acme || done.Rows < 36_000 || done.Late > 100 {
		t.Errorf("%+v", done)
	}
	p.livesIn(acme)
	for table, n := range home.Rows(t, neighbour) {
		if n != beside[table] {
			t.Errorf("the neighbour has %d rows in %s, had %d", n, table, beside[table])
		}
	}
	if done, err := p.mover.Move(ctx, p.org, acme); err != nil || done.Rows != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
	before = p.content(acme)
	p.progress = func(line string) {
		if strings.Contains(line, "waiting for deliveries") { // all the while it is used as before
			if found, err := p.rename(p.another(), "found"); err != nil || found != acme {
				t.Errorf("during the copy a write that begins at home goes to %q (%v)", found, err)
			}
		}
	}
	_, err = p.mover.Move(ctx, p.org, pg.Home)
	testkit.Must(t, err)
	p.same(before, p.content(pg.Home))
	p.livesIn(pg.Home)
}

// An organization that cannot be moved stays in its database, and the error gives
// the reason.
func TestMoveRefused(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	refused := func(org id.Org, to, because string) {
		t.Helper()
		if _, err := p.mover.Move(ctx, org, to); err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("%v, want %q", err, because)
		}
	}
	refused(p.org, "berlin", `DATABASES does not name "berlin"`)
	refused(id.New[id.Org](time.Now()), acme, placement.ErrNotFound.Error())
	p.at[acme].Exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	refused(p.org, acme, "different schemas")
	p.at[acme].Exec(t, `DELETE FROM goose_db_version WHERE version_id = 99999`)
	p.livesIn(pg.Home)
	p.at[pg.Home].Exec(t, `UPDATE organization SET deleted_at = '2026-01-01'`)
	refused(p.org, acme, "was deleted")
	p.at[acme].Exec(t, `INSERT INTO organization (id, name) VALUES ($1, 'twice')`, p.org)
	p.at[pg.Home].Exec(t, `UPDATE organization SET deleted_at = NULL`)
	refused(p.org, acme, "find out why before you move it")
	if n := testkit.Value[int](t, p.at[acme], `SELECT count(*) FROM organization WHERE id = $1`, p.org); n != 1 {
		t.Error("the second one was erased")
	}
}

// A move may die at any step: the organization can be used in the old database,
// or the move was decided and is finished. Repeating the move completes it. No
// row is lost or duplicated.
func TestMoveDies(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"copying tables", "waiting for deliveries", "stopping writers", "is decided", "lives in", "erasing", "lowering"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.at[pg.Home].AddUser(t, user, "both@example.com")
			testkit.Everything(t, p.at[pg.Home], p.org, user)
			before := p.content(pg.Home)
			ctx, die := context.WithCancel(context.Background())
			p.progress = func(said string) {
				if strings.Contains(said, line) {
					die()
				}
			}
			if line == "lowering" {
				p.mover.Lower = func(context.Context, string) error { return errors.New("DynamoDB is away") }
			}
			if _, err := p.mover.Move(ctx, p.org, acme); err == nil {
				t.Fatal("the move did not die")
			}
			p.progress, p.mover.Lower = func(string) {}, func(context.Context, string) error { return nil }
			_, err := p.mover.Move(context.Background(), p.org, acme)
			testkit.Must(t, err)
			p.same(before, p.content(acme))
			p.livesIn(acme)
		})
	}
}

// A mover that was killed blocks no request for long: its announcement ends by
// itself. A decision that comes too late is refused.
func TestAnnouncementsEnd(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	home := p.at[pg.Home]
	home.Place(t, p.org, "leaving", acme)
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := p.another().InOrg(short, p.org, func(tx pg.Tx) error { _, err := tx.Exec(short, `SELECT`); return err })
	if !pg.IsTransient(err) {
		t.Errorf("while it leaves: %v, want an error that passes", err)
	}
	home.Advance(t, 5*time.Minute)
	p.livesIn(pg.Home)

	var late sync.WaitGroup
	p.progress = func(line string) {
		if strings.Contains(line, "stopping writers") {
			late.Go(func() { // the time passes while the rest is copied
				testkit.Await(t, "writers to be stopped", func() bool {
					return testkit.Value[bool](t, home, `SELECT EXISTS (SELECT FROM placement WHERE state = 'leaving')`)
				})
				home.Advance(t, 4*time.Minute+time.Second)
			})
			p.holdUp(&late)
		}
	}
	if _, err := p.mover.Move(ctx, p.org, acme); err == nil || !strings.Contains(err.Error(), "it can be written to in the old database again") {
		t.Errorf("decided too late: %v", err)
	}
	p.livesIn(pg.Home)
}
