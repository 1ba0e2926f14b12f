package testkit

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
)

// OneOfEverything gives $1 a row in every table with an organization. The user
// $2 is a member of it; the other user is a member of it alone. The organization
// exists before.
const oneOfEverything = `
	WITH alone AS (INSERT INTO user_account VALUES (gen_random_uuid(), $1 || '@example.com', '', portico_now()) RETURNING id)
	SELECT set_config('test.alone', (SELECT id FROM alone)::text, false);
	INSERT INTO role VALUES ($1, $1, 'r', '', '{}', '', portico_now(), portico_now());
	INSERT INTO member VALUES ($1, $1, current_setting('test.alone')::uuid, '', NULL, $1, portico_now(), portico_now());
	INSERT INTO member VALUES ($1, gen_random_uuid(), $2, '', 'owner', NULL, portico_now(), portico_now());
	INSERT INTO resource_grant VALUES ($1, $1, $1, 'p', 't', 'r', portico_now());
	INSERT INTO domain VALUES ($1, $1, 'portal.example.com', 't', portico_now(), portico_now());
	INSERT INTO idempotency_key (org_id, caller, operation, key, body_hash) VALUES ($1, 'c', 'o', 'k', '');
	INSERT INTO webhook_endpoint (org_id, id, url, event_types) VALUES ($1, $1, 'https://example.com/', '{*}');
	INSERT INTO webhook_secret (org_id, id, endpoint_id, sealed) VALUES ($1, $1, $1, '');
	INSERT INTO webhook_lane (org_id, endpoint_id) VALUES ($1, $1);
	INSERT INTO webhook_paused_key VALUES ($1, $1, 'k', $1, portico_now());
	INSERT INTO ordering_key VALUES ($1, 'k', 1);
	INSERT INTO api_key (org_id, id, name, hash, permissions) VALUES ($1, $1, 'k', sha256($1::text::bytea), '{events:read}');
	INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
	  VALUES ($1, $1, 'a.b', 'system', 'test', '[]', '', '', portico_now());
	INSERT INTO audit_target VALUES ($1, 't', $1);
	INSERT INTO placement VALUES ($1, 'leaving', 'acme', '2020-01-01');
	INSERT INTO event (org_id, id, type, payload, created_at)
	  SELECT $1, overlay($1::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 't', '', portico_now() FROM generate_series(1, 12000) n;
	INSERT INTO event (org_id, id, type, payload, created_at)
	  SELECT $1, uuid_floor(portico_now() + interval '40 days'), 't', '', portico_now();
	INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status) SELECT org_id, id, $1, id, 'failed' FROM event WHERE org_id = $1;
	INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, response_body)
	  SELECT org_id, id, $1, 1, portico_now(), 1, '' FROM event WHERE org_id = $1`

// Everything gives an organization a row in every table, and 12,000 in the large
// ones. user is a member of it, and one that is nobody else's.
func Everything(t testing.TB, d *Database, org id.Org, user string) {
	t.Helper()
	exec(t, context.Background(), d.Admin, strings.NewReplacer("$1", "'"+org.UUID.String()+"'", "$2", "'"+user+"'").Replace(oneOfEverything))
	for table, n := range d.Rows(t, org) {
		if n == 0 && !strings.Contains(table, "_20") { // a partition of another time
			t.Errorf("there is no row in %s: add one to oneOfEverything", table)
		}
	}
}

// Rows counts an organization's rows in every table that the catalogue knows.
func (d *Database) Rows(t testing.TB, org id.Org) map[string]int {
	t.Helper()
	tables := Value[[]string](t, d, `
		SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (a.attname = 'org_id' OR c.relname = 'organization' AND a.attname = 'id')`)
	counts := map[string]int{}
	for _, table := range tables {
		column := "org_id"
		if table == "organization" {
			column = "id"
		}
		counts[table] = Value[int](t, d, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()+` WHERE `+column+` = $1`, org)
	}
	return counts
}
