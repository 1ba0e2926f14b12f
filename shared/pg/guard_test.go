package pg_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/shared/testkit"
)

// exempt are the tables without a tenant wall: they contain no organization's
// data. A user may belong to several organizations; 00003_access.sql says who
// sees which user. A staff key belongs to none; each request names one. Kinds of
// jobs and throttles are the platform's, and so are the mail templates, which addresses get
// no mail, how often mails bounce, and the
// reports of who sends in the name of its domains. The tables of users' credentials have
// their own wall, see user_guard_test.go.
var exempt = []string{
	"clock", "dispatcher", "goose_db_version", "user_account", "user_login", "user_password", "user_identity", "user_totp", "user_recovery_code", "user_passkey", "user_event", "signing_key", "staff_key", "staff", "job_kind", "job_throttle", "mail_suppression", "mail_suppression_lifted", "mail_stream", "mail_stream_day",
	"mail_dmarc", "mail_dmarc_source",
	"mail_template_override", "mail_template_publication",
}

// guard lists the faults of the schema, as «object: fault». $1: exempt.
const guard = `
WITH
tbl AS ( -- every table that must stand behind the wall, and its organization column
  SELECT c.*, c.oid::regclass::text AS name, a.attnum AS org, a.attname AS org_column, a.attnotnull
  FROM pg_class c
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'uuid'::regtype
    AND a.attname = CASE c.relname WHEN 'organization' THEN 'id' ELSE 'org_id' END
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> ALL ($1::text[])),
part AS (
  SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relispartition),
pol AS (
  SELECT p.*, p.polroles = ARRAY['portico_app'::regrole::oid] AS for_app, p.polroles = ARRAY['portico_worker'::regrole::oid] AS for_worker,
         p.polname = 'erase' AND p.polroles = ARRAY['portico_owner'::regrole::oid] AS for_eraser,
         -- api_key_org reads it: of a key only its hash is known before its organization is; list_organizations, list_jobs, list_finished_jobs and list_mails, for staff; drop_partition, which asks whether any is unfinished; drop_audit_quarter, which moves the beginnings of chains; and memberships_of, which asks before an organization is known
         p.polrelid IN ('api_key'::regclass, 'audit_chain'::regclass, 'audit_head'::regclass, 'audit_unchained'::regclass, 'invitation'::regclass, 'organization'::regclass, 'job'::regclass, 'job_log'::regclass, 'mail'::regclass, 'member'::regclass, 'oauth_client'::regclass, 'placement'::regclass, 'sso_connection'::regclass, 'webhook_delivery'::regclass) AND p.polname = 'lookup' AND p.polcmd = 'r' AND p.polroles = ARRAY['portico_owner'::regrole::oid] AS for_lookup,
         pg_get_expr(p.polqual, p.polrelid) AS visible, pg_get_expr(p.polwithcheck, p.polrelid) AS writable
  FROM pg_policy p),
role AS (SELECT * FROM pg_roles WHERE rolname IN ('portico_app', 'portico_worker', 'portico_identity'))

SELECT name || ': no organization column that is a uuid and NOT NULL' FROM tbl WHERE attnotnull IS NOT TRUE
UNION ALL SELECT name || ': row security is not enabled and forced' FROM tbl WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL SELECT name || ': no restrictive policy «wall» on app_org() to portico_app' FROM tbl
  WHERE NOT EXISTS (SELECT FROM pol WHERE polrelid = tbl.oid AND polname = 'wall' AND NOT polpermissive AND polcmd = '*' AND for_app
    AND visible = format('(%I = ( SELECT app_org() AS app_org))', coalesce(org_column, '')) AND writable = visible)
UNION ALL SELECT name || ': policy ' || polname || ' is for others than portico_app or portico_worker alone'
  FROM tbl JOIN pol ON polrelid = tbl.oid WHERE NOT (for_app OR for_worker OR for_eraser OR for_lookup)
UNION ALL SELECT name || ': no policy «erase» on app_org() to portico_owner, so erasing an organization leaves its rows' FROM tbl
  WHERE NOT EXISTS (SELECT FROM pol WHERE polrelid = tbl.oid AND polpermissive AND polcmd = '*' AND for_eraser
    AND visible = format('(%I = ( SELECT app_org() AS app_org))', coalesce(org_column, '')) AND writable = visible)
UNION ALL SELECT name || ': no primary key' FROM tbl WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = tbl.oid AND indisprimary)
UNION ALL SELECT name || ': unique index ' || indexrelid::regclass || ' does not start with the organization'
  FROM tbl JOIN pg_index ON indrelid = tbl.oid WHERE indisunique AND indkey[0] IS DISTINCT FROM org
UNION ALL SELECT tbl.name || ': foreign key ' || conname || ' does not bind the organization'
  FROM tbl JOIN pg_constraint k ON k.conrelid = tbl.oid AND k.contype = 'f' AND k.conparentid = 0 LEFT JOIN tbl other ON other.oid = k.confrelid
  WHERE k.confrelid::regclass::text <> ALL ($1::text[])
    AND NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there) WHERE here = tbl.org AND there = other.org)
UNION ALL SELECT conrelid::regclass || ': foreign key ' || conname || ' points at a partitioned table'
  FROM pg_constraint JOIN pg_class c ON c.oid = confrelid WHERE contype = 'f' AND c.relkind = 'p'
UNION ALL SELECT name || ': the partition''s row security is not enabled and forced' FROM part WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL SELECT name || ': the partition has grants of its own' FROM part, aclexplode(relacl) WHERE grantee <> relowner
UNION ALL SELECT relname || ': a view that does not ask as its caller' FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on}')
UNION ALL SELECT relname || ': exempt, but has an organization column' FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'org_id'
  WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1::text[])
UNION ALL SELECT relname || ': is not portico_owner''s' FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> 'portico_owner'::regrole
UNION ALL SELECT proname || ': a SECURITY DEFINER function without a search_path, or open to all' FROM pg_proc
  WHERE pronamespace = 'public'::regnamespace AND prosecdef
    AND (NOT coalesce(proconfig::text, '') LIKE '%search_path=%' OR proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))
UNION ALL SELECT rolname || ': has attributes that go around the wall' FROM role WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
UNION ALL SELECT rolname || ': is a member of ' || roleid::regrole FROM role JOIN pg_auth_members ON member = role.oid
UNION ALL SELECT rolname || ': owns ' || classid::regclass || ' ' || objid FROM role JOIN pg_shdepend ON refobjid = role.oid AND deptype = 'o'
UNION ALL SELECT 'portico_owner: can log in or bypasses row security' FROM pg_roles WHERE rolname = 'portico_owner' AND (rolcanlogin OR rolsuper OR rolbypassrls)
ORDER BY 1`

func faults(t *testing.T, d *testkit.Database) []string {
	t.Helper()
	rows, err := d.Admin.Query(context.Background(), guard, exempt)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Every table of the schema is behind the tenant wall, except the exempt ones.
func TestSchemaStandsBehindTheWall(t *testing.T) {
	for _, fault := range faults(t, testkit.DB(t)) {
		t.Error(fault)
	}
}

// The guard finds each kind of fault; otherwise the test above would prove
// nothing.
func TestGuardFindsFaults(t *testing.T) {
	d := testkit.DB(t)
	testkit.LockRoles(t)
	const own = `; ALTER TABLE bad OWNER TO portico_owner`
	const noErasing = "bad: no policy «erase» on app_org() to portico_owner, so erasing an organization leaves its rows"
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`CREATE TABLE bad (org_id uuid PRIMARY KEY); CALL raise_wall('bad'); DROP POLICY erase ON bad` + own, []string{noErasing}},
		{`CREATE TABLE bad (org_id uuid PRIMARY KEY); CALL raise_wall('bad'); ALTER POLICY erase ON bad USING (true)` + own, []string{noErasing}},
		{`CREATE TABLE bad (id uuid PRIMARY KEY)` + own, []string{
			"bad: no organization column that is a uuid and NOT NULL", noErasing, "bad: no restrictive policy «wall» on app_org() to portico_app",
			"bad: row security is not enabled and forced", "bad: unique index bad_pkey does not start with the organization"}},
		{`CREATE TABLE bad (org_id uuid, id uuid); CALL raise_wall('bad')` + own, []string{
			"bad: no organization column that is a uuid and NOT NULL", "bad: no primary key"}},
		{`CREATE TABLE bad (org_id uuid, id uuid UNIQUE, PRIMARY KEY (org_id, id)); CALL raise_wall('bad')` + own, []string{
			"bad: unique index bad_id_key does not start with the organization"}},
		{`CREATE TABLE bad (org_id uuid PRIMARY KEY, other uuid REFERENCES organization (id)); CALL raise_wall('bad')` + own, []string{
			"bad: foreign key bad_other_fkey does not bind the organization"}},
		{`CREATE TABLE bad (org_id uuid, id uuid, PRIMARY KEY (org_id, id), FOREIGN KEY (org_id, id) REFERENCES event (org_id, id));
			CALL raise_wall('bad')` + own, []string{"bad: foreign key bad_org_id_id_fkey points at a partitioned table"}},
		{`ALTER TABLE event NO FORCE ROW LEVEL SECURITY`, []string{"event: row security is not enabled and forced"}},
		{`DROP POLICY wall ON event; CREATE POLICY wall ON event TO portico_app USING (org_id = (SELECT app_org()))`, []string{
			"event: no restrictive policy «wall» on app_org() to portico_app"}},
		{`ALTER POLICY wall ON event USING (true)`, []string{"event: no restrictive policy «wall» on app_org() to portico_app"}},
		{`ALTER POLICY wall ON event WITH CHECK (true)`, []string{"event: no restrictive policy «wall» on app_org() to portico_app"}},
		{`CREATE POLICY lookup ON event FOR SELECT TO portico_owner USING (true)`, []string{
			"event: policy lookup is for others than portico_app or portico_worker alone"}},
		{`CREATE POLICY shared ON event USING (true)`, []string{
			"event: policy shared is for others than portico_app or portico_worker alone"}},
		{`CREATE TABLE event_1970_01 PARTITION OF event FOR VALUES FROM (MINVALUE) TO ('00000000-0000-0000-0000-000000000001');
			ALTER TABLE event_1970_01 OWNER TO portico_owner; GRANT SELECT ON event_1970_01 TO portico_app`, []string{
			"event_1970_01: the partition has grants of its own", "event_1970_01: the partition's row security is not enabled and forced"}},
		{`CREATE VIEW bad AS SELECT * FROM event` + own, []string{"bad: a view that does not ask as its caller"}},
		{`ALTER TABLE clock ADD org_id uuid`, []string{"clock: exempt, but has an organization column"}},
		{`ALTER TABLE clock OWNER TO portico_master`, []string{"clock: is not portico_owner's", "clock_pkey: is not portico_owner's"}},
		{`ALTER FUNCTION make_partitions() RESET search_path`, []string{"make_partitions: a SECURITY DEFINER function without a search_path, or open to all"}},
		{`GRANT EXECUTE ON FUNCTION make_partitions() TO PUBLIC`, []string{"make_partitions: a SECURITY DEFINER function without a search_path, or open to all"}},
		{`ALTER TABLE dispatcher OWNER TO portico_app`, []string{
			"dispatcher: is not portico_owner's", "dispatcher_pkey: is not portico_owner's", "portico_app: owns pg_class "}},
		{`ALTER ROLE portico_worker BYPASSRLS`, []string{"portico_worker: has attributes that go around the wall"}},
		{`GRANT portico_owner TO portico_app`, []string{"portico_app: is a member of portico_owner"}},
	} {
		got := faultsAfter(t, d, c.sql)
		for i := range got { // an object's number says nothing
			if j := len("portico_app: owns pg_class "); len(got[i]) > j && got[i][:j] == "portico_app: owns pg_class " {
				got[i] = got[i][:j]
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n-want +found:\n%s", c.sql, diff)
		}
	}
}

// faultsAfter returns the faults while sql is in effect; it is rolled back.
func faultsAfter(t *testing.T, d *testkit.Database, sql string) []string {
	t.Helper()
	ctx := context.Background()
	if _, err := d.Admin.Exec(ctx, "BEGIN; "+sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer func() {
		if _, err := d.Admin.Exec(ctx, "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}()
	return faults(t, d)
}
