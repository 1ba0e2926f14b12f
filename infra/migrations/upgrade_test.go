package migrations_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/testkit"
)

// What was there before a migration is carried over: the wall, which hides all
// rows from the migrations' own role as well, does not hide them from their
// statements. Endpoints of version 7 have a lane afterwards, or nothing would
// ever be delivered to them, and a disabled one has a reason.
func TestUpgradeKeepsEndpoints(t *testing.T) {
	ctx := context.Background()
	config, password := testkit.Empty(t)
	testkit.LockRoles(t)
	if err := migrations.ApplyTo(ctx, config, password, 7); err != nil {
		t.Fatal(err)
	}
	app := config.Copy()
	app.User, app.Password = "portico_app", password
	conn, err := pgx.ConnectConfig(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	const org = "01890000-0000-7000-8000-000000000001"
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`SELECT set_config('app.org_id', $1, false)`, org)
	exec(`INSERT INTO organization (id, name) VALUES ($1, 'Acme')`, org)
	exec(`INSERT INTO webhook_endpoint (org_id, id, url, event_types, status)
		SELECT $1, gen_random_uuid(), 'https://example.com/', '{*}', unnest('{enabled,disabled}'::text[])`, org)
	if err := migrations.Apply(ctx, config, password); err != nil {
		t.Fatal(err)
	}
	var endpoints, lanes, reasons int
	err = conn.QueryRow(ctx, `
		SELECT count(*), count(l.endpoint_id), count(e.disabled_reason)
		FROM webhook_endpoint e LEFT JOIN webhook_lane l ON l.org_id = e.org_id AND l.endpoint_id = e.id`).Scan(&endpoints, &lanes, &reasons)
	if err != nil || endpoints != 2 || lanes != 2 || reasons != 1 {
		t.Errorf("%d endpoints, %d lanes, %d reasons (%v), want 2, 2 and 1", endpoints, lanes, reasons, err)
	}
}
