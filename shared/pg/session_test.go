package pg_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// After a transaction its session is bound to no organization, however the
// transaction ended.
func TestNothingStaysBound(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	endings := map[string]func(pg.Tx) error{
		"commit":   func(pg.Tx) error { return nil },
		"rollback": func(pg.Tx) error { return errors.New("failed") },
		"an error inside": func(tx pg.Tx) error {
			_, err := tx.Exec(ctx, `SELECT 1/0`)
			return err
		},
	}
	for ending, work := range endings {
		_ = w.App.InOrg(ctx, w.mine, work)
		var bound string
		err := w.App.Shared().QueryRow(ctx, `SELECT coalesce(current_setting('app.org_id', true), '')`).Scan(&bound)
		if err != nil || bound != "" {
			t.Errorf("after %s %q is bound (%v)", ending, bound, err)
		}
	}
}

// Thousands of transactions of two organizations over few sessions, with
// random failures and cached statements, never meet the other's rows.
func TestHammer(t *testing.T) {
	w := newTwo(t)
	seed := rand.Uint64()
	var wg sync.WaitGroup
	for worker := range uint64(16) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker))
			for range 200 {
				if err := w.hit(random); err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := w.sessions(t); n > 2 {
		t.Errorf("%d sessions were opened, want at most 2", n)
	}
}

var errRollback = errors.New("rolled back on purpose")

// hit runs one transaction, or one statement that must fail, chosen at random.
func (w *two) hit(random *rand.Rand) error {
	ctx := context.Background()
	if random.IntN(5) == 0 {
		if _, err := w.App.Shared().Exec(ctx, `SELECT * FROM webhook_endpoint`); state(err) != denied {
			return fmt.Errorf("unscoped: %w", err)
		}
		return nil
	}
	org, fails := w.mine, random.IntN(3) == 0
	if random.IntN(2) == 0 {
		org = w.theirs
	}
	err := w.App.InOrg(ctx, org, func(tx pg.Tx) error {
		var own, all int
		err := tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE org_id = $1), count(*) FROM webhook_endpoint`, org).Scan(&own, &all)
		if err != nil || own != 1 || all != 1 {
			return fmt.Errorf("%d of %d visible rows are own: %w", own, all, err)
		}
		tag, err := tx.Exec(ctx, `UPDATE webhook_endpoint SET description = $1`, org.String())
		if err != nil || tag.RowsAffected() != 1 {
			return fmt.Errorf("%d rows updated: %w", tag.RowsAffected(), err)
		}
		if fails {
			return errRollback
		}
		return nil
	})
	if fails && errors.Is(err, errRollback) {
		return nil
	}
	return err
}

// sessions counts the sessions of portico_app in this database.
func (w *two) sessions(t *testing.T) int {
	t.Helper()
	return testkit.Value[int](t, w.Database,
		`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app'`)
}

// kill ends every session of portico_app in this database and waits until they
// are gone. Sessions are picked before any is ended: in one WHERE the planner
// may call pg_terminate_backend for those of other databases, too.
func (w *two) kill(t *testing.T) {
	t.Helper()
	pids := testkit.Value[[]int](t, w.Database,
		`SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app'`)
	for _, pid := range pids {
		if !testkit.Value[bool](t, w.Database, `SELECT pg_terminate_backend($1, 10000)`, pid) {
			t.Fatalf("session %d does not end", pid)
		}
	}
}

// After a failover the pool has dead sessions. The next transaction succeeds all
// the same.
func TestInOrgSurvivesKilledIdleSessions(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	// Two at once, so that both of the pool's sessions exist and die.
	err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
		_, err := tx.Exec(ctx, `SELECT 1`)
		return errors.Join(err, w.App.InOrg(ctx, w.theirs, func(pg.Tx) error { return nil }))
	})
	if err != nil || w.sessions(t) != 2 {
		t.Fatalf("%d sessions (%v), want 2", w.sessions(t), err)
	}
	w.kill(t)
	for range 3 {
		if rows, err := w.exec(w.mine, `SELECT * FROM webhook_endpoint`); err != nil || rows != 1 {
			t.Fatalf("%d rows, %v", rows, err)
		}
	}
}

// The session that dies while a transaction waits for its first statement is
// replaced as well, whichever kind of statement that is.
func TestInOrgSurvivesAKillBeforeTheFirstStatement(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	for name, first := range map[string]func(pg.Tx) error{
		"Exec":     func(tx pg.Tx) error { _, err := tx.Exec(ctx, `SELECT 1`); return err },
		"QueryRow": func(tx pg.Tx) error { var n int; return tx.QueryRow(ctx, `SELECT 1`).Scan(&n) },
		"Query": func(tx pg.Tx) error {
			rows, err := tx.Query(ctx, `SELECT 1`)
			if err == nil {
				_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			}
			return err
		},
		"SendBatch": func(tx pg.Tx) error {
			var batch pgx.Batch
			batch.Queue(`SELECT 1`)
			return tx.SendBatch(ctx, &batch).Close()
		},
	} {
		for range 2 { // the second time it is prepared
			if err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
				w.kill(t)
				return first(tx)
			}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := w.App.InOrg(ctx, w.mine, first); err != nil {
				t.Errorf("%s again: %v", name, err)
			}
		}
	}
}

// A function that has started is never called again: it may have had effects
// outside the transaction.
func TestInOrgDoesNotRepeatWork(t *testing.T) {
	w, runs := newTwo(t), 0
	err := w.App.InOrg(context.Background(), w.mine, func(tx pg.Tx) error {
		runs++
		if _, err := tx.Exec(context.Background(), `SELECT 1`); err != nil {
			return err
		}
		w.kill(t)
		_, err := tx.Exec(context.Background(), `SELECT 1`)
		return err
	})
	if err == nil || !pg.IsTransient(err) || runs != 1 {
		t.Errorf("the work ran %d times and ended in %v; want once and a transient error", runs, err)
	}
}

// IsTransient is right for real errors, those that pass by themselves and others.
func TestIsTransient(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	run := func(statements ...string) error {
		return w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
			for _, sql := range statements {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
	}
	open := func(url string) error {
		db, err := pg.OpenWorker(ctx, url, 1)
		if err != nil {
			t.Fatal(err) // it connects only when used
		}
		defer db.Close()
		_, err = db.Exec(ctx, `SELECT 1`)
		return err
	}
	const lock = `SELECT FROM webhook_endpoint FOR UPDATE`
	var lockTimeout error
	err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
		_, err := tx.Exec(ctx, lock)
		lockTimeout = run(`SET LOCAL lock_timeout = 1`, lock)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	unique := run(`INSERT INTO organization (id, name) VALUES (app_org(), 'again')`)
	for _, c := range []struct {
		what      string
		err       error
		transient bool
	}{
		{"nobody listens", open("postgres://portico_worker:x@" + closedPort(t) + "/portico"), true},
		{"a lock is not had in time", lockTimeout, true},
		{"the server takes no writes", run(`SET TRANSACTION READ ONLY`, `UPDATE webhook_endpoint SET description = ''`), true},
		{"a statement takes too long", run(`SET LOCAL statement_timeout = 10`, `SELECT pg_sleep(10)`), true},
		{"no error", nil, false},
		{"no such role", open(w.URL("portico_nobody")), false},
		{"no such database", open(w.URL("portico_worker") + "_absent"), false},
		{"a syntax error", run(`SELEKT`), false},
		{"a division by zero", run(`SELECT 1/0`), false},
		{"an existing key", unique, false},
		{"a defect of ours", errors.New("defect"), false},
		{"no row", pgx.ErrNoRows, false},
	} {
		if c.err == nil && c.what != "no error" {
			t.Errorf("%s: no error", c.what)
		}
		if got := pg.IsTransient(c.err); got != c.transient {
			t.Errorf("%s: IsTransient is %v for %v", c.what, got, c.err)
		}
		if got := pg.IsUniqueViolation(c.err); got != (c.err == unique) {
			t.Errorf("%s: IsUniqueViolation is %v for %v", c.what, got, c.err)
		}
		if got := pg.IsLockTimeout(c.err); got != (c.err == lockTimeout) {
			t.Errorf("%s: IsLockTimeout is %v for %v", c.what, got, c.err)
		}
	}
}

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A function that needs no data opens no session, and the error for an invalid
// URL does not contain its password.
func TestOpen(t *testing.T) {
	ctx := context.Background()
	db, err := pg.Open(ctx, "postgres://u:p@"+closedPort(t)+"/portico")
	if err != nil {
		t.Fatalf("Open connects: %v", err)
	}
	defer db.Close()
	if err := db.InOrg(ctx, id.New[id.Org](time.Now()), func(pg.Tx) error { return nil }); !pg.IsTransient(err) {
		t.Errorf("no server: %v, want a transient error", err)
	}
	if _, err := pg.Open(ctx, "postgres://u:hush@host:port/portico"); err == nil ||
		!strings.HasPrefix(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "hush") {
		t.Errorf("a malformed URL: %v", err)
	}
}
