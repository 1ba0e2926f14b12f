package pg_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const becomeReadOnly = `SET default_transaction_read_only = on`

// After a failover kept sessions are connected to a server that accepts no
// writes. No transaction of an organization fails because of that.
func TestInOrgSurvivesFailover(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	for round := range 3 {
		// Two at once, so that both of the pool's sessions are read-only.
		err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
			if _, err := tx.Exec(ctx, becomeReadOnly); err != nil {
				return err
			}
			_, err := w.exec(w.theirs, becomeReadOnly)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, org := range []id.Org{w.mine, w.theirs} {
			if rows, err := w.exec(org, `UPDATE webhook_endpoint SET description = 'changed'`); err != nil || rows != 1 {
				t.Errorf("round %d: %d rows, %v", round, rows, err)
			}
		}
	}
}

// A worker's first write after a failover fails with a transient error. All
// sessions to that server are closed then, so the next write succeeds.
func TestWorkerSurvivesFailover(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	sessions := make([]*pgxpool.Conn, w.Worker.Config().MaxConns)
	for i := range sessions {
		var err error
		if sessions[i], err = w.Worker.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := sessions[i].Exec(ctx, becomeReadOnly); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sessions {
		s.Release()
	}
	write := func() error {
		_, err := w.Worker.Exec(ctx, `DELETE FROM dispatcher`)
		return err
	}
	if err := write(); !pg.IsTransient(err) || state(err) != "25006" {
		t.Fatalf("a write over a read-only session: %v, want a transient 25006", err)
	}
	for range 2 * len(sessions) {
		if err := write(); err != nil {
			t.Errorf("a later write: %v", err)
		}
	}
}

// A server that accepts no writes is not used, and is tried again later.
func TestReadOnlyServerIsNotUsed(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	server := func(mode string) {
		t.Helper()
		name := testkit.Value[string](t, w.Database, `SELECT current_database()`)
		w.Exec(t, `ALTER DATABASE `+name+` SET default_transaction_read_only = `+mode)
	}
	app, err := pg.Open(ctx, w.URL("portico_app"))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	use := func() error { return app.InOrg(ctx, w.mine, func(pg.Tx) error { return nil }) }
	server("on")
	if err := use(); !pg.IsTransient(err) {
		t.Errorf("at a read-only server: %v, want a transient error", err)
	}
	server("off")
	if err := use(); err != nil {
		t.Errorf("at the writer again: %v", err)
	}
}

// No session outlives SessionLife, so none stays at a server that was replaced.
func TestSessionsAreRenewed(t *testing.T) {
	c := newTwo(t).Worker.Config()
	if longest := c.MaxConnLifetime + c.MaxConnLifetimeJitter; c.MaxConnLifetime <= 0 || longest > pg.SessionLife {
		t.Errorf("sessions are used for %s, want at most %s", longest, pg.SessionLife)
	}
}
