package testkit

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Empty creates an empty database and returns the login of portico_master for it.
// Like Aurora's master login, it is not a superuser. The database is dropped when
// the test ends.
func Empty(t testing.TB) (config *pgx.ConnConfig, rolePass string) {
	t.Helper()
	config = adminConfig(t)
	makeTemplate(t, context.Background(), config) // creates the role
	name := create(t, config, ``)
	config = config.Copy()
	config.User, config.Password, config.Database = "portico_master", rolePassword, name
	return config, rolePassword
}

// LockRoles keeps other tests from changing the server's roles until the test
// ends. Roles belong to the server, and Postgres refuses two changes of a role at
// the same time. Call it after DB or Empty, which may wait for the same lock.
func LockRoles(t testing.TB) {
	t.Helper()
	Exec(t, Session(t, adminConfig(t)), takeRoles) // whose end releases the lock
}
