package migrations_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/testkit"
)

// schema describes all that migrations make, a line each.
const schema = `
	SELECT format('table %s %s %s', c.oid::regclass, c.relkind, coalesce(c.relacl::text, '')) AS line FROM pg_class c WHERE relnamespace = 'public'::regnamespace
	UNION ALL SELECT format('column %s.%s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull)
	  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
	UNION ALL SELECT format('policy %s %s %s', polrelid::regclass, polname, polroles::regrole[]) FROM pg_policy
	UNION ALL SELECT format('function %s %s', p.oid::regprocedure, md5(prosrc)) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
	UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
	UNION ALL SELECT format('applied %s', version_id) FROM goose_db_version
	UNION ALL SELECT format('role %s %s %s', rolname, rolcanlogin, rolconfig) FROM pg_roles WHERE rolname LIKE 'portico%'
	ORDER BY 1`

func schemaOf(t *testing.T, config *pgx.ConnConfig) []string {
	t.Helper()
	conn := testkit.Session(t, config)
	testkit.Exec(t, conn, `SET ROLE portico_owner`)
	rows, _ := conn.Query(context.Background(), schema)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	testkit.Must(t, err)
	return lines
}

// Migrations apply on an empty database by a login that is no superuser, and
// applying them again changes nothing.
func TestApplyTwice(t *testing.T) {
	ctx := context.Background()
	config, password := testkit.Empty(t)
	testkit.LockRoles(t)
	conn := testkit.Session(t, config)
	var super, roles, bypass bool
	err := conn.QueryRow(ctx, `SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&super, &roles, &bypass)
	if err != nil || super || !roles || bypass {
		t.Fatalf("the login is not like Aurora's master: superuser %v, createrole %v, bypassrls %v (%v)", super, roles, bypass, err)
	}
	if err := migrations.Apply(ctx, config, password); err != nil {
		t.Fatal(err)
	}
	once := schemaOf(t, config)
	if len(once) < 100 {
		t.Fatalf("the schema has only %d lines", len(once))
	}
	if err := migrations.Apply(ctx, config, password); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	if diff := cmp.Diff(once, schemaOf(t, config)); diff != "" {
		t.Errorf("the second time changed the schema:\n%s", diff)
	}
}

// Deployments that run at the same time wait for each other, and the result is
// that of one.
func TestApplyConcurrently(t *testing.T) {
	alone, password := testkit.Empty(t)
	together, _ := testkit.Empty(t)
	testkit.LockRoles(t)
	if err := migrations.Apply(context.Background(), alone, password); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := migrations.Apply(context.Background(), together, password); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(schemaOf(t, alone), schemaOf(t, together)); diff != "" {
		t.Errorf("-alone +together:\n%s", diff)
	}
}
