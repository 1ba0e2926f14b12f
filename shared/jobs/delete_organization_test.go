package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jackc/pgx/v5"

	"portico/shared/apikey"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/testkit"
)

// oneOfEverything gives $1 a row in every table with an organization. The user
// $2 is a member of it; the other user is a member of it alone.
const oneOfEverything = `
	WITH alone AS (INSERT INTO user_account VALUES (gen_random_uuid(), $1 || '@example.com', '', portico_now()) RETURNING id)
	SELECT set_config('test.alone', (SELECT id FROM alone)::text, false);
	INSERT INTO role VALUES ($1, $1, 'r', '', '{}', '', portico_now(), portico_now());
	INSERT INTO member VALUES ($1, $1, current_setting('test.alone')::uuid, '', NULL, $1, portico_now(), portico_now());
	INSERT INTO member VALUES ($1, gen_random_uuid(), $2, '', 'owner', NULL, portico_now(), portico_now());
	INSERT INTO resource_grant VALUES ($1, $1, $1, 'p', 't', 'r', portico_now());
	INSERT INTO idempotency_key (org_id, caller, operation, key, body_hash) VALUES ($1, 'c', 'o', 'k', '');
	INSERT INTO webhook_endpoint (org_id, id, url, event_types) VALUES ($1, $1, 'https://example.com/', '{*}');
	INSERT INTO webhook_secret (org_id, id, endpoint_id, sealed) VALUES ($1, $1, $1, '');
	INSERT INTO webhook_lane (org_id, endpoint_id) VALUES ($1, $1);
	INSERT INTO webhook_paused_key VALUES ($1, $1, 'k', $1, portico_now());
	INSERT INTO ordering_key VALUES ($1, 'k', 1);
	INSERT INTO audit_target VALUES ($1, 't', $1);
	INSERT INTO event (org_id, id, type, payload, created_at)
	  SELECT $1, overlay($1::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 't', '', portico_now() FROM generate_series(1, 12000) n;
	INSERT INTO event (org_id, id, type, payload, created_at)
	  SELECT $1, uuid_floor(portico_now() + interval '40 days'), 't', '', portico_now();
	INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status) SELECT org_id, id, $1, id, 'failed' FROM event WHERE org_id = $1;
	INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, response_body)
	  SELECT org_id, id, $1, 1, portico_now(), 1, '' FROM event WHERE org_id = $1`

// rowsOf counts an organization's rows in every table that the catalogue knows.
func rowsOf(t *testing.T, db *testkit.Database, org id.Org) map[string]int {
	t.Helper()
	tables := testkit.Value[[]string](t, db, `
		SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (a.attname = 'org_id' OR c.relname = 'organization' AND a.attname = 'id')`)
	counts := map[string]int{}
	for _, table := range tables {
		column := "org_id"
		if table == "organization" {
			column = "id"
		}
		counts[table] = testkit.Value[int](t, db, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()+` WHERE `+column+` = $1`, org)
	}
	return counts
}

// Deleting an organization leaves no row of it in any table that the catalogue
// knows, in no partition, and no projection of its keys; another organization
// and its users keep all. It can be stopped and go on.
func TestDeleteOrganization(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	keys := apikey.NewProjection(client, table, db.App, db.Clock)
	shared := "01890000-0000-7000-8000-00000000aaaa"
	if _, err := db.Admin.Exec(ctx, `INSERT INTO user_account VALUES ($1, 'both@example.com', '', portico_now())`, shared); err != nil {
		t.Fatal(err)
	}
	populate := func(name string) (id.Org, apikey.Hash) {
		made, err := jobs.Bootstrap(ctx, db.App, keys, db.Clock, json.RawMessage(`{"organization":"`+name+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		org, _ := id.Parse[id.Org](made.OrganizationID)
		sql := strings.NewReplacer("$1", "'"+org.UUID.String()+"'", "$2", "'"+shared+"'").Replace(oneOfEverything)
		if _, err := db.Admin.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
		hash, _ := apikey.Parse(made.APIKey)
		return org, hash
	}
	acme, acmeKey := populate("Acme")
	evil, evilKey := populate("Evil")
	for table, n := range rowsOf(t, db, acme) {
		if n == 0 && !strings.Contains(table, "_20") { // a partition of another time
			t.Errorf("the test has no row in %s: add one to oneOfEverything", table)
		}
	}
	before, waited := rowsOf(t, db, evil), 0
	deleter := jobs.Deleter{DB: db.App, Keys: keys, Clock: db.Clock, Wait: func(_ context.Context, d time.Duration) error {
		if waited++; waited == 1 {
			return context.DeadlineExceeded // the function's time is over
		}
		if _, err := keys.Caller(ctx, acmeKey, netip.Addr{}); err == nil {
			t.Error("the key still works while its last requests end")
		}
		if d < 10*time.Second {
			t.Errorf("waits only %s for requests that are still running", d)
		}
		return nil
	}}
	if _, err := deleter.Delete(ctx, acme.String()); err == nil {
		t.Error("the first try did not end")
	}
	done, err := deleter.Delete(ctx, acme.String())
	if err != nil || done.RowsRemoved < 36_000 {
		t.Fatalf("%+v, %v", done, err)
	}
	for table, n := range rowsOf(t, db, acme) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if n := projections(t, client, table); n != 1 {
		t.Errorf("%d projections are left, want the other organization's", n)
	}
	if got := rowsOf(t, db, evil); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("the other organization has %v, had %v", got, before)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM user_account`); n != 2 {
		t.Errorf("%d users are left, want the other organization's two", n)
	}
	if _, err := keys.Caller(ctx, evilKey, netip.Addr{}); err != nil {
		t.Errorf("the other organization's key: %v", err)
	}
	if done, err := deleter.Delete(ctx, acme.String()); err != nil || done.RowsRemoved != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
	if _, err := deleter.Delete(ctx, "org_1"); err == nil {
		t.Error("a malformed id was accepted")
	}
}

func projections(t *testing.T, client *dynamodb.Client, table string) int {
	t.Helper()
	out, err := client.Scan(context.Background(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Items)
}

// What is not marked as deleted cannot be erased, nor anybody else's.
func TestOnlyClosedOrganizationsAreErased(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	conn, err := pgx.Connect(ctx, db.URL("portico_app"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, bound := range []string{org.UUID.String(), "01890000-0000-7000-8000-000000000000", ""} {
		if _, err := conn.Exec(ctx, `SELECT set_config('app.org_id', $1, false)`, bound); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, `SELECT erase_organization(10)`); err == nil {
			t.Errorf("bound to %q: erased", bound)
		}
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM organization WHERE id = $1`, org); n != 1 {
		t.Error("the organization is gone")
	}
}
