package testkit

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Session opens a session with Postgres that ends with the test.
func Session(t testing.TB, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("the test's Postgres cannot be reached: %v", err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Session opens a session of a role that ends with the test.
func (d *Database) Session(t testing.TB, role string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(d.URL(role))
	Must(t, err)
	return Session(t, config)
}

// Exec runs a statement.
func Exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// InOrg does work in a transaction of an organization, and commits it.
func (d *Database) InOrg(t testing.TB, org id.Org, work func(ctx context.Context, tx pg.Tx) error) {
	t.Helper()
	ctx := context.Background()
	Must(t, d.App.InOrg(ctx, org, func(tx pg.Tx) error { return work(ctx, tx) }))
}
