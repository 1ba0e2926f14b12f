package pg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// wired is an application's database behind a wire, and one organization.
type wired struct {
	*testkit.Database
	*testkit.Wire
	db  *pg.DB
	org id.Org
}

func newWired(t *testing.T) wired {
	t.Helper()
	w := wired{Database: testkit.DB(t)}
	w.Wire = testkit.NewWire(t, w.Database.URL("portico_app"))
	w.org = w.NewOrg(t)
	db, err := pg.Open(t.Context(), w.Wire.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w.db = db
	return w
}

// insert returns a transaction that only inserts, with its commit.
func (w wired) insert(ctx context.Context, endpoint uuid.UUID, before ...string) func(pg.Tx) error {
	return func(tx pg.Tx) error {
		var batch pgx.Batch
		for _, sql := range before {
			batch.Queue(sql)
		}
		batch.Queue(`INSERT INTO webhook_endpoint (org_id, id, url, event_types) VALUES ($1, $2, 'https://example.com/', '{*}')`, w.org, endpoint)
		return pg.AtCommit(ctx, tx, &batch)
	}
}

func (w wired) endpoints(t *testing.T) int {
	t.Helper()
	return testkit.Value[int](t, w.Database, `SELECT count(*) FROM webhook_endpoint`)
}

// A transaction with nothing but last statements is one round trip, what follows
// the commit included; another one is two.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w, ctx := newWired(t), context.Background()
	told := 0
	run := func(fn func(pg.Tx) error) int {
		t.Helper()
		var then pgx.Batch
		then.Queue(`SELECT 1`).QueryRow(func(row pgx.Row) error { return row.Scan(&told) })
		told = 0
		w.Trips()
		if err := w.db.InOrgThen(ctx, w.org, fn, &then); err != nil {
			t.Fatal(err)
		}
		if told != 1 {
			t.Error("what follows the commit was not read")
		}
		return w.Trips()
	}
	run(w.insert(ctx, uuid.New())) // connects and prepares
	if n := run(w.insert(ctx, uuid.New())); n != 1 {
		t.Errorf("%d round trips, want 1", n)
	}
	asks := func(tx pg.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM webhook_endpoint`); err != nil {
			return err
		}
		return w.insert(ctx, uuid.New())(tx)
	}
	run(asks)
	if n := run(asks); n != 2 {
		t.Errorf("%d round trips of a transaction that asks first, want 2", n)
	}
	if n := w.endpoints(t); n != 4 {
		t.Errorf("%d endpoints, want 4", n)
	}
}

// A session that dies in place of the answer leaves one row, whether or not the
// transaction had committed: it is sent again, and a row that is there says that
// it had.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	w, ctx := newWired(t), context.Background()
	if err := w.db.InOrg(ctx, w.org, w.insert(ctx, uuid.New())); err != nil {
		t.Fatal(err)
	}
	w.LoseNextAnswer()
	if err := w.db.InOrg(ctx, w.org, w.insert(ctx, uuid.New())); err != nil {
		t.Errorf("after it had committed: %v", err)
	}
	if n := w.endpoints(t); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	if _, err := w.Admin.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app'`); err != nil {
		t.Fatal(err)
	}
	if err := w.db.InOrg(ctx, w.org, w.insert(ctx, uuid.New())); err != nil {
		t.Errorf("over a session that had died: %v", err)
	}
	if n := w.endpoints(t); n != 3 {
		t.Errorf("%d endpoints, want 3", n)
	}
}

// A transaction whose last statements find that something has changed, or that
// runs where the organization does not live, does nothing and is to run again.
func TestErrAgain(t *testing.T) {
	t.Parallel()
	w, ctx := newWired(t), context.Background()
	err := w.db.InOrgThen(ctx, w.org, w.insert(ctx, uuid.New(), `SELECT expect_subscriptions(7)`), nil)
	if !errors.Is(err, pg.ErrAgain) {
		t.Errorf("with a version that is not: %v", err)
	}
	err = w.db.InOrgAgain(ctx, w.org, func(tx pg.Tx) error {
		if !pg.IsAgain(tx) {
			t.Error("the transaction does not know that it runs again")
		}
		return w.insert(ctx, uuid.New(), `SELECT expect_subscriptions(0)`)(tx)
	}, nil)
	if err != nil {
		t.Errorf("again: %v", err)
	}
	if n := w.endpoints(t); n != 1 {
		t.Errorf("%d endpoints, want 1", n)
	}
}
