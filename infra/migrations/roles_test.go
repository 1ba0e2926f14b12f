package migrations_test

import (
	"context"
	"testing"

	"portico/infra/migrations"
	"portico/shared/testkit"
)

// Dispatchers and migrations find a connection, however many requests come: no
// role may use all connections.
func TestRolesShareConnections(t *testing.T) {
	ctx := context.Background()
	config, password := testkit.Empty(t)
	testkit.LockRoles(t)
	testkit.Must(t, migrations.Apply(ctx, config, password))
	var app, worker, identity, all int
	err := testkit.Session(t, config).QueryRow(ctx, `
		SELECT a.rolconnlimit, w.rolconnlimit, i.rolconnlimit, current_setting('max_connections')::integer
		FROM pg_roles a, pg_roles w, pg_roles i WHERE a.rolname = 'portico_app' AND w.rolname = 'portico_worker' AND i.rolname = 'portico_identity'`).
		Scan(&app, &worker, &identity, &all)
	if err != nil || app != all*70/100 || worker != all*20/100 || identity != all*5/100 {
		t.Errorf("of %d connections the API may have %d, dispatchers %d and signing in %d (%v)", all, app, worker, identity, err)
	}
}
