package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const denied = "42501" // insufficient_privilege: grants, row security and app_org() all raise it

// two is a database with two organizations, each of which has one endpoint.
type two struct {
	*testkit.Database
	mine, theirs id.Org
}

func newTwo(t *testing.T) *two {
	t.Helper()
	d := testkit.DB(t)
	w := &two{Database: d, mine: d.NewOrg(t), theirs: d.NewOrg(t)}
	for _, org := range []id.Org{w.mine, w.theirs} {
		if _, err := w.exec(org, insertEndpoint, org, newID(), "https://example.com"); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

const insertEndpoint = `INSERT INTO webhook_endpoint (org_id, id, url, event_types) VALUES ($1, $2, $3, '{}')`

func newID() id.WebhookEndpoint { return id.New[id.WebhookEndpoint](time.Now()) }

// exec runs one statement for an organization and returns how many rows it
// affected.
func (w *two) exec(org id.Org, sql string, args ...any) (rows int64, err error) {
	err = w.App.InOrg(context.Background(), org, func(tx pg.Tx) error {
		tag, err := tx.Exec(context.Background(), sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// state returns err's SQLSTATE, or "" if it does not come from the server.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// A transaction bound to an organization is committed if its function succeeds,
// and rolled back if it fails or panics.
func TestInOrgIsATransaction(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	count := func() int { return testkit.Value[int](t, w.Database, `SELECT count(*) FROM webhook_endpoint`) }
	insert := func(tx pg.Tx) error {
		_, err := tx.Exec(ctx, insertEndpoint, w.mine, newID(), "https://example.com")
		return err
	}
	failure := errors.New("the work failed")
	err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error { return errors.Join(insert(tx), failure) })
	if !errors.Is(err, failure) || count() != 2 {
		t.Errorf("a failed transaction: %v, and %d rows instead of 2", err, count())
	}
	func() {
		defer func() { _ = recover() }()
		_ = w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
			if err := insert(tx); err != nil {
				t.Error(err)
			}
			panic("a defect")
		})
	}()
	if count() != 2 {
		t.Errorf("a panic: %d rows instead of 2", count())
	}
	if err := w.App.InOrg(ctx, w.mine, insert); err != nil || count() != 3 {
		t.Errorf("a successful transaction: %v, and %d rows instead of 3", err, count())
	}
	if err := w.App.InOrg(ctx, id.Org{}, insert); err == nil {
		t.Error("a transaction ran for no organization")
	}
}

// Without an organization every statement fails with an error, instead of finding
// no rows.
func TestUnscopedFails(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	for _, sql := range []string{
		`SELECT * FROM webhook_endpoint`,
		`SELECT count(*) FROM organization`,
		`SELECT EXISTS (SELECT FROM webhook_endpoint WHERE url = 'x')`,
		`UPDATE webhook_endpoint SET url = 'x'`,
		`INSERT INTO webhook_endpoint (org_id, id, url, event_types) VALUES (gen_random_uuid(), gen_random_uuid(), 'x', '{}')`,
		`INSERT INTO organization (id, name) VALUES (gen_random_uuid(), 'x')`,
		`INSERT INTO event (org_id, id, type, payload, created_at) VALUES (gen_random_uuid(), uuid_floor(portico_now()), 'x', '', portico_now())`,
		`SELECT app_org()`,
	} {
		if _, err := w.App.Shared().Exec(ctx, sql); state(err) != denied {
			t.Errorf("%s: %v, want %s", sql, err, denied)
		}
	}
}

// With an organization, statements without any WHERE reach its own rows only.
func TestOtherRowsAreInvisible(t *testing.T) {
	w := newTwo(t)
	for _, sql := range []string{
		`SELECT * FROM webhook_endpoint`,
		`SELECT * FROM organization`,
		`SELECT * FROM webhook_endpoint WHERE true OR org_id <> app_org()`,
		`UPDATE webhook_endpoint SET description = 'touched'`,
		`SELECT * FROM webhook_endpoint FOR UPDATE`,
	} {
		if rows, err := w.exec(w.mine, sql); err != nil || rows != 1 {
			t.Errorf("%s: %d rows (%v), want 1", sql, rows, err)
		}
	}
	if n := testkit.Value[int](t, w.Database, `SELECT count(*) FROM webhook_endpoint WHERE org_id = $1 AND description <> ''`, w.theirs); n != 0 {
		t.Error("another organization's row was changed")
	}
	if rows, err := w.exec(w.mine, `SELECT * FROM webhook_endpoint WHERE org_id = $1`, w.theirs); err != nil || rows != 0 {
		t.Errorf("%d rows of another organization were found (%v)", rows, err)
	}
}

// A DELETE without WHERE removes own rows only. portico_app may delete nothing
// today, so the test grants it that in its own database.
func TestDeleteStopsAtTheWall(t *testing.T) {
	w := newTwo(t)
	if _, err := w.exec(w.mine, `DELETE FROM webhook_endpoint`); state(err) != denied {
		t.Errorf("portico_app may delete: %v", err)
	}
	w.Exec(t, `GRANT DELETE ON webhook_endpoint TO portico_app`)
	if rows, err := w.exec(w.mine, `DELETE FROM webhook_endpoint`); err != nil || rows != 1 {
		t.Errorf("%d rows were deleted (%v), want 1", rows, err)
	}
}

// No row can be written for another organization, or refer to its rows.
func TestForeignWritesAreRefused(t *testing.T) {
	w := newTwo(t)
	theirEndpoint := testkit.Value[id.WebhookEndpoint](t, w.Database, `SELECT id FROM webhook_endpoint WHERE org_id = $1`, w.theirs)
	const insertSecret = `INSERT INTO webhook_secret (org_id, id, endpoint_id, sealed) VALUES ($1, gen_random_uuid(), $2, '')`
	for _, c := range []struct {
		what, sql, state string
		args             []any
	}{
		{"a row for another organization", insertEndpoint, denied, []any{w.theirs, newID(), "x"}},
		{"an own row given away", `UPDATE webhook_endpoint SET org_id = $1`, denied, []any{w.theirs}},
		{"another organization", `INSERT INTO organization (id, name) VALUES (gen_random_uuid(), 'x')`, denied, nil},
		{"a secret for their endpoint, as theirs", insertSecret, denied, []any{w.theirs, theirEndpoint}},
		{"a secret for their endpoint, as ours", insertSecret, "23503", []any{w.mine, theirEndpoint}},
		{"their row by conflict", insertEndpoint + ` ON CONFLICT (org_id, id) DO UPDATE SET url = 'taken'`, denied, []any{w.theirs, theirEndpoint, "x"}},
	} {
		if _, err := w.exec(w.mine, c.sql, c.args...); state(err) != c.state {
			t.Errorf("%s: %v, want %s", c.what, err, c.state)
		}
	}
}

// A permissive policy that is added later by mistake cannot open the wall.
func TestWallHoldsAgainstOtherPolicies(t *testing.T) {
	w := newTwo(t)
	w.Exec(t, `CREATE POLICY shared ON webhook_endpoint USING (true) WITH CHECK (true)`)
	if rows, err := w.exec(w.mine, `SELECT * FROM webhook_endpoint`); err != nil || rows != 1 {
		t.Errorf("%d rows are visible (%v), want 1", rows, err)
	}
	if _, err := w.exec(w.mine, insertEndpoint, w.theirs, newID(), "x"); state(err) != denied {
		t.Errorf("a foreign row was written: %v", err)
	}
}
