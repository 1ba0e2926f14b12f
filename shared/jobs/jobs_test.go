package jobs_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"portico/infra/migrations"
	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// The first organization gets a key that works, with every permission.
func TestBootstrapCreatesOrganization(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	keys := apikey.NewProjection(client, table, db.App, db.Clock)
	reply, err := jobs.Bootstrap{DB: db.App, Keys: keys, Clock: db.Clock}.Run(ctx, json.RawMessage(`{"command":"create_organization","name":"Acme"}`))
	if err != nil {
		t.Fatal(err)
	}
	made := reply.(jobs.CreatedOrganization)
	hash, err := apikey.Parse(made.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	caller, _, err := keys.Caller(ctx, hash, apikey.Use{})
	if err != nil || caller.Org.String() != made.OrganizationID || caller.Actor.ID != made.APIKeyID || len(caller.Rights.Gives()) != len(auth.All()) {
		t.Errorf("the key's caller is %+v (%v)", caller, err)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM api_key WHERE hash = $1 AND name = 'first'`, hash[:]); n != 1 {
		t.Errorf("%d rows hold the key's hash, want 1", n)
	}
	if n := testkit.Value[int](t, db, `
		SELECT count(*) FROM audit_entry JOIN audit_target USING (org_id) WHERE action = 'organization.create' AND actor_id = 'bootstrap'
		AND entry_id = id AND target_id IN ($1, $2)`, made.OrganizationID, made.APIKeyID); n != 4 {
		t.Errorf("the audit logs of the organization and of the platform name %d of organization and key", n)
	}
}

// The daily upkeep resumes a paused ordering key of a deleted endpoint, once.
func TestMaintainReleasesKeys(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	now := db.Clock.Now()
	db.Insert(t, "webhook_endpoint", testkit.Row{"org_id": org, "id": org, "url": "https://example.com/", "event_types": []string{"*"}, "deleted_at": now})
	db.Insert(t, "ordering_key", testkit.Row{"org_id": org, "key": "k", "last_seq": 2})
	db.Insert(t, "webhook_paused_key", testkit.Row{"org_id": org, "endpoint_id": org, "ordering_key": "k", "event_id": org, "paused_at": now})
	db.Insert(t, "webhook_delivery", testkit.Row{
		"org_id": org, "event_id": id.New[id.Event](now), "endpoint_id": org, "id": org, "next_retry_at": "infinity", "ordering_key": "k", "seq": 2,
	})
	u, _ := newUpkeep(t, db, io.Discard)
	for _, want := range []int{1, 0} {
		if done, err := u.Maintain(ctx); err != nil || done.OrderingKeysReleased != want {
			t.Errorf("%+v, %v; want %d keys released", done, err, want)
		}
	}
	if due := testkit.Value[bool](t, db, `SELECT next_retry_at <= portico_now() FROM webhook_delivery`); !due {
		t.Error("the delivery behind the key is not due")
	}
}

// The daily upkeep makes partitions ahead and deletes expired idempotency keys,
// counters of jobs and of mail, the log of mails, but no mail that still waits, and
// addresses that may get mail again. A second run has nothing to do.
func TestMaintain(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	db.Exec(t, `
		INSERT INTO idempotency_key (org_id, caller, operation, key, body_hash)
		SELECT $1, 'c', 'o', n::text, '' FROM generate_series(1, 6000) n`, org)
	db.Exec(t, `INSERT INTO job_stat (org_id, hour, kind) SELECT $1, portico_now(), n::text FROM generate_series(1, 6000) n`, org)
	db.Exec(t, `INSERT INTO webhook_stat (org_id, endpoint_id, hour) SELECT $1, gen_random_uuid(), portico_now() + CASE WHEN n > 6000 THEN interval '11 days' ELSE '0' END FROM generate_series(1, 6001) n`, org)
	db.Exec(t, `
		INSERT INTO mail (org_id, id, status, stream, category, template, locale, recipient, recipient_name, key)
		SELECT $1, gen_random_uuid(), CASE n WHEN 1 THEN 'queued' WHEN 2 THEN 'sending' ELSE 'sent' END, 'product', '', 't', 'en', 'a@example.com', '', n::text
		FROM generate_series(1, 6002) n`, org)
	db.Exec(t, `
		INSERT INTO mail_suppression (recipient, reason, ends_at)
		SELECT n || '@example.com', 'delays', CASE WHEN n <= 6000 THEN portico_now() + interval '14 days' END FROM generate_series(1, 6001) n`)
	db.Exec(t, `INSERT INTO mail_suppression_lifted (recipient, lifted_at) SELECT n || '@example.com', portico_now() + n * interval '11 days' FROM generate_series(0, 1) n`)
	db.Exec(t, `INSERT INTO mail_stream_day (stream, day, run) SELECT 'product', (portico_now() - n * interval '1 day')::date, 1 FROM unnest('{290, 310}'::int[]) n`)
	db.Exec(t, `
		INSERT INTO mail_dmarc (organization, report_id, domain, policy, begins_at, ends_at)
		SELECT 'receiver', n::text, 'example.com', 'none', portico_now(), portico_now() + CASE WHEN n < 60 THEN interval '1 day' ELSE interval '11 days' END FROM generate_series(1, 60) n`)
	db.Exec(t, `INSERT INTO mail_dmarc_source (report, source, header_from, dkim, spf, disposition, mails) SELECT id, '192.0.2.1', 'example.com', true, true, 'none', 1 FROM mail_dmarc`)
	db.Exec(t, `
		INSERT INTO erasure (org_id, id, job_id, recipient, criteria, dry_run, until, last_event_id, status, finished_at)
		SELECT $1::uuid, gen_random_uuid(), $1, CASE n WHEN 1 THEN 'a@example.com' END, '{recipient}', false, portico_now(), $1,
			CASE n WHEN 1 THEN 'running' ELSE 'succeeded' END, CASE WHEN n > 1 THEN portico_now() END FROM generate_series(1, 6001) n`, org)
	db.Exec(t, `
		INSERT INTO audit_export (org_id, id, job_id, format, filter, status, finished_at)
		SELECT $1::uuid, gen_random_uuid(), $1, 'csv', '{}', CASE n WHEN 1 THEN 'running' ELSE 'succeeded' END, CASE WHEN n > 1 THEN portico_now() END FROM generate_series(1, 6001) n`, org)
	u, _ := newUpkeep(t, db, io.Discard)
	done, err := u.Maintain(ctx)
	if err != nil || done != (jobs.Maintained{}) {
		t.Errorf("on the first day: %+v, %v", done, err)
	}
	db.Advance(t, 100*24*time.Hour)
	done, err = u.Maintain(ctx)
	if err != nil || done.IdempotencyKeysRemoved != 6000 || done.JobCountsRemoved != 6000 || done.EndpointCountsRemoved != 6000 || done.MailsForgotten != 6000 || done.MailAddressesForgotten != 6001 || done.MailCountsForgotten != 1 || done.DMARCReportsForgotten != 59 || done.ErasuresForgotten != 6000 || done.AuditExportsForgotten != 6000 || done.PartitionsMade < 6 {
		t.Errorf("a hundred days later: %+v, %v", done, err)
	}
	if left := testkit.Value[string](t, db, `SELECT string_agg(status, ' ' ORDER BY status) FROM mail`); left != "queued sending" {
		t.Errorf("of the mails are left: %s", left)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*)::int FROM mail_dmarc_source`); n != 1 {
		t.Errorf("%d rows of DMARC reports are left, want those of one", n)
	}
	if done, err = u.Maintain(ctx); err != nil || done != (jobs.Maintained{}) {
		t.Errorf("again: %+v, %v", done, err)
	}
}

// A migration logs in with the credentials from Secrets Manager, and returns the
// version that it reached.
func TestMigrate(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	testkit.LockRoles(t)
	login := jobs.Login{
		URL: db.URL("nobody"), RolePassword: "portico",
		Credentials: func(context.Context) (string, error) {
			return `{"username":"portico_master","password":"portico"}`, nil
		},
	}
	version, err := jobs.Migrate(context.Background(), map[string]jobs.Login{pg.Home: login})
	if err != nil || version != migrations.Version() {
		t.Errorf("reached %s, %v", version, err)
	}
	login.Credentials = func(context.Context) (string, error) { return `[]`, nil }
	if _, err := jobs.Migrate(context.Background(), map[string]jobs.Login{"acme": login}); err == nil || !strings.Contains(err.Error(), "acme: DATABASE_SECRET") {
		t.Errorf("with a malformed secret: %v", err)
	}
}
