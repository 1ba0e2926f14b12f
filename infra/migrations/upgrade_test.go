package migrations_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/id"
	"portico/shared/testkit"
)

// twoOfEverything is a database with two organizations that have rows in every
// table.
func twoOfEverything(t *testing.T) *testkit.Database {
	t.Helper()
	d := testkit.DB(t)
	both := id.New[id.User](d.Clock.Now())
	d.AddUser(t, both, "both@example.com")
	for range 2 {
		testkit.Everything(t, d, d.NewOrg(t), both)
	}
	return d
}

// The wall also hides all rows from portico_owner, the role of migrations. A
// migration that forgets this fails, instead of changing nothing and being
// recorded as done.
func TestMigrationOfWalledRowsFailsLoudly(t *testing.T) {
	d, ctx := twoOfEverything(t), context.Background()
	rows, _ := d.Admin.Query(ctx, `
		SELECT relname::text, CASE relname WHEN 'organization' THEN 'id' ELSE 'org_id' END FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE polname = 'wall'`)
	walled, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Table, Org string }])
	if err != nil || len(walled) < 15 {
		t.Fatalf("behind the wall are %v (%v)", walled, err)
	}
	for _, w := range walled {
		err := migrations.ApplyLater(ctx, d.Admin.Config(), `UPDATE `+w.Table+` SET `+w.Org+` = `+w.Org)
		if err == nil || !strings.Contains(err.Error(), "no organization bound") {
			t.Errorf("%s: %v", w.Table, err)
		}
	}
}

// A migration that lifts the wall reaches the rows of every organization.
func TestMigrationChangesWalledRows(t *testing.T) {
	d, ctx := twoOfEverything(t), context.Background()
	err := migrations.ApplyLater(ctx, d.Admin.Config(), `
		ALTER TABLE webhook_endpoint ADD later text, NO FORCE ROW LEVEL SECURITY;
		UPDATE webhook_endpoint SET later = url;
		ALTER TABLE webhook_endpoint ALTER later SET NOT NULL, FORCE ROW LEVEL SECURITY`)
	if err != nil {
		t.Fatal(err)
	}
	if n := testkit.Value[int](t, d, `SELECT count(*) FROM webhook_endpoint WHERE later = url`); n != 2 {
		t.Errorf("%d rows were changed, want 2", n)
	}
}
