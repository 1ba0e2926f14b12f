package testkit

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Empty creates an empty database and returns the login of portico_master for it.
// Like Aurora's master login, it is not a superuser. The database is dropped when
// the test ends.
func Empty(t testing.TB) (config *pgx.ConnConfig, rolePass string) {
	t.Helper()
	ctx := context.Background()
	config = adminConfig(t)
	makeTemplate(t, ctx, config) // creates the role
	admin := connect(t, ctx, config, config.Database)
	name := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t, ctx, admin, `CREATE DATABASE `+name+` OWNER portico_master`)
	t.Cleanup(func() {
		exec(t, ctx, admin, `DROP DATABASE `+name+` WITH (FORCE)`)
		admin.Close(ctx)
	})
	config = config.Copy()
	config.User, config.Password, config.Database = "portico_master", rolePassword, name
	return config, rolePassword
}

// LockRoles keeps other tests from changing the server's roles until the test
// ends. Roles belong to the server, and Postgres refuses two changes of a role at
// the same time. Call it after DB or Empty, which may wait for the same lock.
func LockRoles(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	config := adminConfig(t)
	conn := connect(t, ctx, config, config.Database)
	t.Cleanup(func() { conn.Close(ctx) }) // releases the lock
	exec(t, ctx, conn, takeRoles)
}
