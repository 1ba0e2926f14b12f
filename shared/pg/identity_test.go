package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// people are two users with credentials, in a database with two organizations.
type people struct {
	*two
	ann, bob id.User
}

func newPeople(t *testing.T) *people {
	t.Helper()
	p := &people{two: newTwo(t), ann: id.New[id.User](time.Now()), bob: id.New[id.User](time.Now())}
	p.AddUser(t, p.ann, "ann@example.com")
	p.AddUser(t, p.bob, "bob@example.com")
	testkit.Credentials(t, p.Database, p.ann)
	testkit.Credentials(t, p.Database, p.bob)
	return p
}

// as runs one statement as a user and returns how many rows it affected.
func (p *people) as(user id.User, sql string, args ...any) (rows int64, err error) {
	err = p.Identity.AsUser(context.Background(), user, func(tx pg.Tx) error {
		tag, err := tx.Exec(context.Background(), sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// The roles of the API and of workers read no hash and nothing else of users' credentials,
// whatever they bind.
func TestOthersReadNoCredentials(t *testing.T) {
	p, ctx := newPeople(t), context.Background()
	for _, role := range []string{"portico_app", "portico_worker"} {
		conn := p.Session(t, role)
		testkit.Exec(t, conn, `SELECT set_config('app.user_id', $1, false), set_config('app.org_id', $2, false)`, p.ann.UUID.String(), p.mine.UUID.String())
		for _, table := range p.UserTables(t) {
			for _, sql := range []string{`SELECT * FROM ` + table, `SELECT FROM ` + table, `SELECT user_id FROM ` + table, `DELETE FROM ` + table, `UPDATE ` + table + ` SET user_id = user_id`} {
				if _, err := conn.Exec(ctx, sql); state(err) != denied {
					t.Errorf("%s: %s: %v, want %s", role, sql, err, denied)
				}
			}
		}
	}
}

// Without a user every statement fails with an error, instead of finding no rows.
func TestUnboundUserFails(t *testing.T) {
	p, ctx := newPeople(t), context.Background()
	statements := []string{
		`SELECT email FROM user_account`, `UPDATE user_login SET suspended_at = NULL`, `DELETE FROM user_password`, `SELECT app_user()`,
		`INSERT INTO user_event (user_id, id, action) VALUES (gen_random_uuid(), gen_random_uuid(), 'a.b')`,
	}
	for _, table := range p.UserTables(t) {
		statements = append(statements, `SELECT * FROM `+table, `SELECT count(*) FROM `+table)
	}
	for _, sql := range statements {
		if _, err := p.Identity.Unbound().Exec(ctx, sql); state(err) != denied {
			t.Errorf("%s: %v, want %s", sql, err, denied)
		}
	}
	ran := false
	if err := p.Identity.AsUser(ctx, id.User{}, func(pg.Tx) error { ran = true; return nil }); err == nil || ran {
		t.Errorf("a transaction ran for nobody (%v)", err)
	}
}

// With a user, statements without any WHERE reach the own rows only, and no row can be
// written for another one.
func TestUsersReachOnlyThemselves(t *testing.T) {
	p := newPeople(t)
	for _, table := range append(p.UserTables(t), `(SELECT id FROM user_account) a`) {
		for sql, want := range map[string]int64{`SELECT FROM ` + table: 1, `SELECT FROM ` + table + ` WHERE true OR app_user() IS NULL`: 1} {
			if rows, err := p.as(p.ann, sql); err != nil || rows != want {
				t.Errorf("%s: %d rows (%v), want %d", sql, rows, err, want)
			}
		}
	}
	for _, sql := range []string{
		`UPDATE user_account SET name = 'touched'`, `UPDATE user_login SET credential_version = 9`, `UPDATE user_password SET phc = 'touched'`, `UPDATE user_passkey SET name = 'touched'`,
		`SELECT FROM user_login FOR UPDATE`, `DELETE FROM user_recovery_code`,
	} {
		if rows, err := p.as(p.ann, sql); err != nil || rows != 1 {
			t.Errorf("%s: %d rows (%v), want 1", sql, rows, err)
		}
	}
	for _, sql := range []string{
		`INSERT INTO user_event (user_id, id, action) VALUES ($1, gen_random_uuid(), 'a.b')`,
		`INSERT INTO user_recovery_code (user_id, hash) VALUES ($1, decode(repeat('00', 32), 'hex'))`,
		`UPDATE user_password SET user_id = $1`,
		`INSERT INTO user_password (user_id, phc, pepper_version) VALUES ($1, 'taken', 1) ON CONFLICT (user_id) DO UPDATE SET phc = 'taken'`,
	} {
		if _, err := p.as(p.ann, sql, p.bob); state(err) != denied {
			t.Errorf("%s: %v, want %s", sql, err, denied)
		}
	}
	if n := testkit.Value[int](t, p.Database, `
		SELECT count(*) FROM user_account u JOIN user_login l ON l.user_id = u.id JOIN user_password p ON p.user_id = u.id JOIN user_passkey k ON k.user_id = u.id
		WHERE u.id = $1 AND u.name = '' AND l.credential_version = 1 AND p.phc = '$argon2id$' AND k.name = 'n'`, p.bob); n != 1 {
		t.Error("another user's row was changed")
	}
}

// A permissive policy that is added later by mistake cannot open the wall between users.
func TestUserWallHoldsAgainstOtherPolicies(t *testing.T) {
	p := newPeople(t)
	p.Exec(t, `CREATE POLICY shared ON user_password USING (true) WITH CHECK (true)`)
	if rows, err := p.as(p.ann, `SELECT FROM user_password`); err != nil || rows != 1 {
		t.Errorf("%d rows are visible (%v), want 1", rows, err)
	}
}

// A transaction of a user is committed if its function succeeds and rolled back if it fails.
// After it the session is bound to nobody.
func TestAsUserIsATransaction(t *testing.T) {
	p, ctx := newPeople(t), context.Background()
	failure := errors.New("the work failed")
	name := func(called string, ends error) error {
		return p.Identity.AsUser(ctx, p.ann, func(tx pg.Tx) error {
			return errors.Join(pg.Exec(ctx, tx, "test", `UPDATE user_account SET name = $1`, called), ends)
		})
	}
	if err := name("kept", nil); err != nil {
		t.Fatal(err)
	}
	if err := name("lost", failure); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	if got := testkit.Value[string](t, p.Database, `SELECT name FROM user_account WHERE id = $1`, p.ann); got != "kept" {
		t.Errorf("the name is %q", got)
	}
	if bound, err := pg.Value[string](ctx, p.Identity.Unbound(), "test", `SELECT coalesce(current_setting('app.user_id', true), '')`); err != nil || bound != "" {
		t.Errorf("%q is bound (%v)", bound, err)
	}
}

// To begin a transaction of a user, and to bind it, costs no round trip of its own.
func TestAsUserBindsInTheFirstRoundTrip(t *testing.T) {
	p, ctx := newPeople(t), context.Background()
	wire := testkit.NewWire(t, p.URL("portico_app"))
	identity, err := pg.OpenIdentity(ctx, wire.URL)
	testkit.Must(t, err)
	t.Cleanup(identity.Close)
	read := func() error {
		return identity.AsUser(ctx, p.ann, func(tx pg.Tx) error {
			_, err := pg.Value[string](ctx, tx, "test", `SELECT phc FROM user_password`)
			return err
		})
	}
	for range 2 { // the first prepares the statements
		wire.Trips()
		testkit.Must(t, read())
	}
	if trips := wire.Trips(); trips != 2 {
		t.Errorf("%d round trips, want 2: one to begin, bind and read, one to commit", trips)
	}
}
