package pg_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"portico/shared/testkit"
)

// userGuard lists the faults of the tables of users' credentials and history, as «object:
// fault». user_account is not one of them: every database has it, and members are in it.
const userGuard = `
WITH
tbl AS (
  SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname LIKE 'user\_%' AND c.relname <> 'user_account'),
pol AS (
  SELECT p.*, p.polroles = ARRAY['portico_identity'::regrole::oid] AS for_identity,
         p.polname = 'owner' AND p.polroles = ARRAY['portico_owner'::regrole::oid] AS for_owner,
         pg_get_expr(p.polqual, p.polrelid) AS visible, pg_get_expr(p.polwithcheck, p.polrelid) AS writable
  FROM pg_policy p)

SELECT name || ': no column user_id that is a uuid and NOT NULL' FROM tbl
  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tbl.oid AND attname = 'user_id' AND atttypid = 'uuid'::regtype AND attnotnull)
UNION ALL SELECT name || ': row security is not enabled and forced' FROM tbl WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL SELECT name || ': no restrictive policy «user_wall» on app_user() to portico_identity' FROM tbl
  WHERE NOT EXISTS (SELECT FROM pol WHERE polrelid = tbl.oid AND polname = 'user_wall' AND NOT polpermissive AND polcmd = '*' AND for_identity
    AND visible = '(user_id = ( SELECT app_user() AS app_user))' AND writable = visible)
UNION ALL SELECT name || ': policy ' || polname || ' is for others than portico_identity or portico_owner alone'
  FROM tbl JOIN pol ON polrelid = tbl.oid WHERE NOT (for_identity OR for_owner)
UNION ALL SELECT name || ': is open to ' || grantee::regrole FROM tbl, aclexplode(relacl) WHERE grantee NOT IN (relowner, 'portico_identity'::regrole)
UNION ALL SELECT name || ': column ' || attname || ' is open to ' || grantee::regrole
  FROM tbl JOIN pg_attribute ON attrelid = tbl.oid, aclexplode(attacl) WHERE grantee NOT IN (relowner, 'portico_identity'::regrole)
UNION ALL SELECT name || ': its rows stay when the user''s login goes' FROM tbl
  WHERE relname <> 'user_login' AND NOT EXISTS (SELECT FROM pg_constraint
    WHERE conrelid = tbl.oid AND contype = 'f' AND confrelid = 'user_login'::regclass AND confdeltype = 'c')
UNION ALL SELECT name || ': its rows let forget_user delete a user who can sign in' FROM tbl
  WHERE relname = 'user_login' AND NOT EXISTS (SELECT FROM pg_constraint
    WHERE conrelid = tbl.oid AND contype = 'f' AND confrelid = 'user_account'::regclass AND confdeltype = 'a')
ORDER BY 1`

func userFaults(t *testing.T, d *testkit.Database) []string {
	t.Helper()
	rows, err := d.Admin.Query(context.Background(), userGuard)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Every table of users is behind the wall between users, and goes with the user's login.
func TestUserTablesStandBehindTheirWall(t *testing.T) {
	for _, fault := range userFaults(t, testkit.DB(t)) {
		t.Error(fault)
	}
}

// The guards find each kind of fault; otherwise the tests above would prove nothing.
func TestGuardFindsFaultsOfUserTables(t *testing.T) {
	d := testkit.DB(t)
	const own = `; ALTER TABLE user_bad OWNER TO portico_owner`
	const goes = `user_id uuid PRIMARY KEY REFERENCES user_login ON DELETE CASCADE`
	const noWall = "no restrictive policy «user_wall» on app_user() to portico_identity"
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`CREATE TABLE user_bad (` + goes + `); CALL raise_user_wall('user_bad')` + own, nil},
		{`CREATE TABLE user_bad (` + goes + `)` + own, []string{"user_bad: " + noWall, "user_bad: row security is not enabled and forced"}},
		{`CREATE TABLE user_bad (` + goes + `); CALL raise_user_wall('user_bad'); ALTER TABLE user_bad NO FORCE ROW LEVEL SECURITY` + own, []string{
			"user_bad: row security is not enabled and forced"}},
		{`CREATE TABLE user_bad (` + goes + `); CALL raise_user_wall('user_bad'); DROP POLICY user_wall ON user_bad` + own, []string{"user_bad: " + noWall}},
		{`CREATE TABLE user_bad (id uuid)` + own, []string{
			"user_bad: its rows stay when the user's login goes", "user_bad: no column user_id that is a uuid and NOT NULL", "user_bad: " + noWall, "user_bad: row security is not enabled and forced"}},
		{`ALTER POLICY user_wall ON user_password USING (true)`, []string{"user_password: " + noWall}},
		{`ALTER POLICY user_wall ON user_password WITH CHECK (true)`, []string{"user_password: " + noWall}},
		{`DROP POLICY user_wall ON user_totp; CREATE POLICY user_wall ON user_totp TO portico_identity USING (user_id = (SELECT app_user()))`, []string{"user_totp: " + noWall}},
		{`CREATE POLICY shared ON user_event USING (true)`, []string{"user_event: policy shared is for others than portico_identity or portico_owner alone"}},
		{`GRANT SELECT ON user_password TO portico_app`, []string{"user_password: is open to portico_app"}},
		{`GRANT SELECT (phc) ON user_password TO portico_worker`, []string{"user_password: column phc is open to portico_worker"}},
		{`ALTER TABLE user_login DROP CONSTRAINT user_login_user_id_fkey, ADD FOREIGN KEY (user_id) REFERENCES user_account ON DELETE CASCADE`, []string{
			"user_login: its rows let forget_user delete a user who can sign in"}},
	} {
		got := userFaultsAfter(t, d, c.sql)
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s\n-want +found:\n%s", c.sql, diff)
		}
	}
	// A new table is not exempt from the guard of the organizations' wall by its name.
	if found := faultsAfter(t, d, `CREATE TABLE user_bad (`+goes+`)`+own); len(found) == 0 {
		t.Error("a new table of users is not noticed")
	}
}

// userFaultsAfter returns the faults while sql is in effect; it is rolled back.
func userFaultsAfter(t *testing.T, d *testkit.Database, sql string) []string {
	t.Helper()
	testkit.Exec(t, d.Admin, "BEGIN; "+sql)
	defer testkit.Exec(t, d.Admin, "ROLLBACK")
	return userFaults(t, d)
}

// Each column that holds text or bytes of users has a limit.
func TestUserColumnsAreBounded(t *testing.T) {
	d := testkit.DB(t)
	for _, column := range testkit.Value[[]string](t, d, `
		SELECT coalesce(array_agg(format('%s.%s', a.attrelid::regclass, attname)), '{}') FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'user\_%' AND c.relname <> 'user_account'
		  AND attnum > 0 AND atttypid IN ('text'::regtype, 'bytea'::regtype, 'text[]'::regtype)
		  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c' AND conkey = ARRAY[attnum])`) {
		t.Errorf("%s: no CHECK limits it", column)
	}
}
