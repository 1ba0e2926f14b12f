// Package testkit gives each test real stores of its own: a Postgres database, with
// sessions of the application's roles, and DynamoDB tables. `make test` starts the
// servers; without them a test fails and says so.
package testkit

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/clock"
	"portico/shared/pg"
)

// Database is a freshly migrated database that ends with the test.
type Database struct {
	App    *pg.DB
	Worker *pg.Worker
	// Identity reaches the credentials of users.
	Identity *pg.Identity
	Clock    *clock.Clock
	// Admin is a superuser's session: it sets the clock and reads rows that the
	// roles may not see.
	Admin *pgx.Conn
	url   func(role string) string
}

// takeRoles waits for the lock on the server's roles and templates.
const takeRoles = `SELECT pg_advisory_lock(5171990)`

// rolePassword is the password of the application's roles. The server is temporary.
const rolePassword = "portico"

// DB returns a new database for the test, cloned from a migrated template.
func DB(t testing.TB) *Database {
	t.Helper()
	ctx, config := context.Background(), adminConfig(t)
	name := create(t, config, `TEMPLATE `+makeTemplate(t, ctx, config))
	own := config.Copy()
	own.Database = name
	d := &Database{
		Clock: &clock.Clock{}, Admin: Session(t, own),
		url: func(role string) string {
			return fmt.Sprintf("postgres://%s:%s@%s:%d/%s", role, rolePassword, config.Host, config.Port, name)
		},
	}
	var err error
	d.App, err = pg.Open(ctx, d.URL("portico_app"))
	Must(t, err)
	t.Cleanup(d.App.Close)
	d.Worker, err = pg.OpenWorker(ctx, d.URL("portico_worker"), 4)
	Must(t, err)
	t.Cleanup(d.Worker.Close)
	d.Identity, err = pg.OpenIdentity(ctx, d.URL("portico_app"))
	Must(t, err)
	t.Cleanup(d.Identity.Close)
	t.Cleanup(func() { d.checkDeliveries(t) })
	return d
}

// checkDeliveries fails the test if a delivery has an impossible state. A CHECK
// would cost a tenth of each statement that writes a delivery.
func (d *Database) checkDeliveries(t testing.TB) {
	wrong := Value[int](t, d, `SELECT count(*) FROM webhook_delivery WHERE status NOT IN ('pending', 'delivered', 'failed')
		OR (status = 'pending') <> (next_retry_at IS NOT NULL)
		OR (lease IS NULL) <> (leased_until IS NULL) OR (lease IS NOT NULL AND status <> 'pending')`)
	if wrong > 0 {
		t.Errorf("%d deliveries have an impossible state: see the columns' comments", wrong)
	}
}

// create creates a database and returns its name. It is dropped when the test ends.
func create(t testing.TB, config *pgx.ConnConfig, options string) (name string) {
	t.Helper()
	admin := Session(t, config)
	name = "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	Exec(t, admin, `CREATE DATABASE `+name+` OWNER portico_master `+options)
	t.Cleanup(func() { Exec(t, admin, `DROP DATABASE `+name+` WITH (FORCE)`) })
	return name
}

// URL returns how a role logs in to the database.
func (d *Database) URL(role string) string { return d.url(role) }

// Advance moves the database's clock and d.Clock ahead together.
func (d *Database) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	d.Exec(t, `UPDATE clock SET clock_offset = clock_offset + $1`, by)
	d.Clock.Advance(by)
}

// StopClock stops the database's clock, so that a test can check the last instant
// before something ends, even on a slow machine. Advance still moves that clock.
// d.Clock does not stop.
func (d *Database) StopClock(t testing.TB) {
	t.Helper()
	d.Exec(t, `
		DO $do$ BEGIN
			EXECUTE format($f$CREATE OR REPLACE FUNCTION portico_now() RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $now$
				BEGIN RETURN %L::timestamptz + (SELECT clock_offset FROM clock); END $now$ $f$, now());
		END $do$`)
}

// Value returns the single value of a query, seen by a superuser.
func Value[T any](t testing.TB, d *Database, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := d.Admin.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func adminConfig(t testing.TB) *pgx.ConnConfig {
	t.Helper()
	url := os.Getenv("PORTICO_TEST_DATABASE_URL")
	if url == "" {
		t.Fatal("PORTICO_TEST_DATABASE_URL is not set: run the tests with `make test`, which starts Postgres and DynamoDB")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatalf("PORTICO_TEST_DATABASE_URL: %v", err)
	}
	return config
}

// makeTemplate returns the name of a migrated database. Test processes run at the
// same time: the first one creates the database, and the others wait. Its name has
// the migrations' version, so a changed migration gets a new template.
func makeTemplate(t testing.TB, ctx context.Context, config *pgx.ConnConfig) string {
	t.Helper()
	name := "tmpl_" + migrations.Version()[:16]
	conn := Session(t, config)
	defer conn.Close(ctx) // releases the lock
	Exec(t, conn, takeRoles)
	var exists bool
	Must(t, conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists))
	if exists {
		return name
	}
	Exec(t, conn, `DO $$ BEGIN
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portico_master') THEN
			CREATE ROLE portico_master LOGIN CREATEROLE PASSWORD '`+rolePassword+`';
		END IF;
	END $$`)
	Exec(t, conn, `DROP DATABASE IF EXISTS `+name+`_making`)
	Exec(t, conn, `CREATE DATABASE `+name+`_making OWNER portico_master`)
	master := config.Copy()
	master.User, master.Password, master.Database = "portico_master", rolePassword, name+"_making"
	Must(t, migrations.Apply(ctx, master, rolePassword))
	Exec(t, conn, `ALTER DATABASE `+name+`_making RENAME TO `+name)
	return name
}
