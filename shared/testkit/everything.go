package testkit

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
)

// Everything gives an organization a row in every table, and 12,000 in the large
// ones. Its members are user and a new user who is in no other organization.
func Everything(t testing.TB, d *Database, org id.Org, user id.User) {
	t.Helper()
	alone := id.New[id.User](d.Clock.Now())
	d.AddUser(t, alone, org.UUID.String()+"@example.com")
	addPeople(t, d, org, user, alone)
	addConfiguration(t, d, org)
	addEvents(t, d, org)
	addJobs(t, d, org)
	addMail(t, d, org)
	d.Insert(t, "placement", Row{"org_id": org, "state": "leaving", "database": "acme", "until": "2020-01-01"})
	for table, n := range d.Rows(t, org) {
		if n == 0 && !strings.Contains(table, "_20") { // a partition for another time
			t.Errorf("there is no row in %s: add one in shared/testkit/everything.go", table)
		}
	}
}

func addPeople(t testing.TB, d *Database, org id.Org, user, alone id.User) {
	t.Helper()
	now := d.Clock.Now()
	d.Insert(t, "role", Row{"org_id": org, "id": org, "name": "r", "description": "", "permissions": []string{}, "condition": "", "created_at": now, "updated_at": now})
	d.Insert(t, "member", Row{"org_id": org, "id": org, "user_id": alone, "name": "", "role_id": org, "created_at": now, "updated_at": now})
	d.Insert(t, "member", Row{"org_id": org, "id": uuid.New(), "user_id": user, "name": "", "predefined": "owner", "created_at": now, "updated_at": now})
	d.Insert(t, "resource_grant", Row{"org_id": org, "id": org, "member_id": org, "permission": "p", "resource_type": "t", "resource_id": "r", "created_at": now})
	hash := sha256.Sum256(org.UUID[:])
	d.Insert(t, "invitation", Row{
		"org_id": org, "id": org, "email": "a@example.com", "predefined": "viewer", "locale": "", "token_hash": hash[:], "inviter_type": "staff_key", "inviter_id": "k", "inviter_name": "", "expires_at": now,
	})
	d.Insert(t, "api_key", Row{"org_id": org, "id": org, "name": "k", "hash": hash[:], "permissions": []string{"events:read"}})
	d.Insert(t, "oauth_client", Row{"org_id": org, "id": org, "name": "a", "kind": "native", "redirect_uris": []string{}, "permissions": []string{}, "published": false})
	d.Insert(t, "oauth_grant", Row{"org_id": org, "id": org, "client_id": org, "client_name": "a", "member_id": org, "scopes": []string{}, "resource": "r", "ends_at": now})
	d.Insert(t, "sso_connection", Row{"org_id": org, "id": org, "type": "saml", "name": "c", "role_id": org, "break_glass_id": org})
	d.Insert(t, "sso_trace", Row{"org_id": org, "id": org, "connection_id": org, "step": "admit", "code": "ok"})
	d.Insert(t, "former_member", Row{"org_id": org, "user_id": uuid.New(), "email_hash": hash[:]})
	d.Insert(t, "staff_access", Row{"org_id": org, "id": org, "user_id": user, "name": "g", "reason": "r", "created_at": now, "ends_at": now.Add(time.Hour)})
	d.Insert(t, "directory", Row{"org_id": org, "connection_id": org, "token_hash": hash[:], "maker_type": "staff_key", "maker_id": "k"})
	d.Insert(t, "directory_user", Row{
		"org_id": org, "id": org, "connection_id": org, "user_name": "a", "external_id": "", "email": "a@example.com", "given_name": "", "family_name": "", "display_name": "", "active": true, "member_id": org,
	})
	d.Insert(t, "directory_group", Row{"org_id": org, "id": org, "connection_id": org, "display_name": "g", "external_id": ""})
	d.Insert(t, "directory_group_user", Row{"org_id": org, "group_id": org, "user_id": org})
	d.Insert(t, "limit_override", Row{"org_id": org, "policy": "organization_work", "staff_limit": 5})
	d.Insert(t, "limit_override", Row{"org_id": org, "api_key_id": org, "policy": "work", "staff_limit": 5, "own_limit": 4})
	d.Insert(t, "audit_entry", Row{
		"org_id": org, "id": org, "action": "role.create", "category": "security", "actor_type": "system", "actor_id": "test", "targets": "[]", "request_id": "", "user_agent": "", "created_at": now,
	})
	d.Insert(t, "audit_target", Row{"org_id": org, "target_id": "t", "entry_id": org}) // a trigger adds the row in audit_unchained
	d.Insert(t, "audit_refusal", Row{"org_id": org, "minute": now.Truncate(time.Minute), "actor_type": "api_key", "actor_id": "k", "actor_name": "k", "attempts": 1})
	d.Insert(t, "audit_head", Row{"org_id": org, "number": 1, "hash": hash[:]})
	d.Insert(t, "audit_chain", Row{"org_id": org, "number": 1, "entry_id": user, "personal_hash": hash[:], "hash": hash[:]})
}

func addConfiguration(t testing.TB, d *Database, org id.Org) {
	t.Helper()
	now := d.Clock.Now()
	d.Insert(t, "domain", Row{"org_id": org, "id": org, "name": "portal.example.com", "token": "t", "verified_at": now, "created_at": now})
	d.Insert(t, "idempotency_key", Row{"org_id": org, "caller": "c", "operation": "o", "key": "k", "body_hash": []byte{}})
	d.Insert(t, "webhook_endpoint", Row{"org_id": org, "id": org, "url": "https://example.com/", "event_types": []string{"*"}})
	d.Insert(t, "webhook_secret", Row{"org_id": org, "id": org, "endpoint_id": org, "sealed": []byte{}})
	d.Insert(t, "webhook_lane", Row{"org_id": org, "endpoint_id": org})
	d.Insert(t, "webhook_paused_key", Row{"org_id": org, "endpoint_id": org, "ordering_key": "k", "event_id": org, "paused_at": now})
	d.Insert(t, "webhook_recovery", Row{"org_id": org, "id": org, "endpoint_id": org, "job_id": org, "kind": "recover", "since": now.Add(-time.Hour), "until": now, "last_event_id": org})
	d.Insert(t, "audit_export", Row{"org_id": org, "id": org, "job_id": org, "format": "csv", "filter": "{}"})
	d.Insert(t, "erasure", Row{"org_id": org, "id": org, "job_id": org, "recipient": "a@example.com", "criteria": []string{"recipient"}, "dry_run": false, "until": now, "last_event_id": org})
	d.Insert(t, "ordering_key", Row{"org_id": org, "key": "k", "last_seq": 1})
	d.Insert(t, "event_external_id", Row{"org_id": org, "external_id": "e", "event_id": org, "digest": make([]byte, 32)})
	d.Insert(t, "event_type", Row{"org_id": org, "name": "t", "version": 1, "versions": 1})
	d.Insert(t, "event_type_version", Row{"org_id": org, "name": "t", "number": 1, "digest": make([]byte, 32), "created_by": "c", "schema": []byte{}, "examples": []byte{}})
	d.Insert(t, "event_catalog", Row{"org_id": org, "revision": 1})
	d.Insert(t, "event_consumer", Row{"org_id": org, "id": org, "name": "c", "event_types": []string{"*"}, "sealed_secret": []byte{}})
	d.Insert(t, "audit_stream", Row{"org_id": org, "id": org, "name": "s", "type": "https", "settings": []byte(`{"url":"https://example.com/"}`), "reached": 0})
	d.Insert(t, "audit_export_schedule", Row{"org_id": org, "id": org, "every": "day", "format": "csv", "filter": "{}", "stream_id": org, "next_since": now, "next_until": now.Add(24 * time.Hour)})
	d.Insert(t, "event_consumer_progress", Row{"org_id": org, "consumer_id": org})
	d.Insert(t, "event_consumer_item", Row{"org_id": org, "consumer_id": org, "event_id": org})
}

// addEvents adds events for now and one for another month, each with a delivery and
// an attempt.
func addEvents(t testing.TB, d *Database, org id.Org) {
	t.Helper()
	d.Exec(t, `
		INSERT INTO event (org_id, id, type, payload, created_at)
		SELECT o.id, overlay(o.id::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 't', '', portico_now()
		FROM organization o, generate_series(1, 12000) AS n WHERE o.id = $1`, org)
	later := d.Clock.Now().Add(40 * 24 * time.Hour)
	d.Insert(t, "event", Row{"org_id": org, "id": id.New[id.Event](later), "type": "t", "payload": []byte{}, "created_at": later})
	d.Exec(t, `
		INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status)
		SELECT org_id, id, org_id, id, 'failed' FROM event WHERE org_id = $1`, org)
	d.Insert(t, "webhook_stat", Row{"org_id": org, "endpoint_id": org, "hour": d.Clock.Now().Truncate(time.Hour)})
	d.Exec(t, `
		INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, response_body)
		SELECT org_id, id, org_id, 1, portico_now(), 1, '' FROM event WHERE org_id = $1`, org)
}

// addJobs adds a job that waits, one that has finished, and a schedule.
func addJobs(t testing.TB, d *Database, org id.Org) {
	t.Helper()
	now := d.Clock.Now()
	d.Insert(t, "job", Row{"org_id": org, "id": org, "queue": "high", "kind": "k", "args": "{}", "status": "scheduled", "due_at": now.Add(1000 * time.Hour)})
	d.Exec(t, `
		INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, progress_note, request_id, args)
		SELECT org_id, id, id, portico_now(), 0, 0, 0, 0, 'succeeded', 'high', 'k', '', '', '{}' FROM event WHERE org_id = $1`, org)
	d.Insert(t, "job_stat", Row{"org_id": org, "hour": now.Truncate(time.Hour), "kind": "k"})
	d.Insert(t, "job_schedule", Row{"org_id": org, "name": "s", "queue": "high", "kind": "k", "cron": "0 0 * * *", "next_at": now.Add(1000 * time.Hour), "declared": "{}"})
}

// addMail adds a mail and what somebody has unsubscribed from.
func addMail(t testing.TB, d *Database, org id.Org) {
	t.Helper()
	d.Insert(t, "mail", Row{
		"org_id": org, "id": org, "stream": "product", "category": "webhooks", "template": "t", "locale": "en", "recipient": "a@example.com", "recipient_name": "", "key": "k",
	})
	d.Insert(t, "mail_unsubscribed", Row{"org_id": org, "recipient": "a@example.com", "category": "webhooks"})
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

// Credentials gives a user a row in every table of users: a login with a proven address, and
// one of everything that the user can sign in with.
func Credentials(t testing.TB, d *Database, user id.User) {
	t.Helper()
	now := d.Clock.Now()
	d.Insert(t, "user_login", Row{"user_id": user, "email_verified_at": now})
	d.Insert(t, "user_password", Row{"user_id": user, "phc": "$argon2id$", "pepper_version": 1})
	d.Insert(t, "user_identity", Row{"id": uuid.New(), "user_id": user, "connection": "google", "issuer": "https://accounts.google.com", "subject": user.String(), "email": "a@example.com"})
	d.Insert(t, "user_totp", Row{"user_id": user, "sealed": []byte("s"), "confirmed_at": now})
	d.Insert(t, "user_recovery_code", Row{"user_id": user, "hash": make([]byte, 32)})
	d.Insert(t, "user_passkey", Row{"id": uuid.New(), "user_id": user, "credential_id": user.UUID[:], "public_key": []byte("k"), "sign_count": 0, "aaguid": uuid.Nil, "name": "n"})
	d.Insert(t, "user_event", Row{"user_id": user, "id": id.New[id.UserEvent](now), "action": "user.verify_email"})
	for table, n := range d.UserRows(t, user) {
		if n == 0 {
			t.Errorf("there is no row in %s: add one in shared/testkit/everything.go", table)
		}
	}
}

// UserRows counts a user's rows in every table of users that the catalogue knows, and in
// user_account.
func (d *Database) UserRows(t testing.TB, user id.User) map[string]int {
	t.Helper()
	counts := map[string]int{"user_account": Value[int](t, d, `SELECT count(*) FROM user_account WHERE id = $1`, user)}
	for _, table := range d.UserTables(t) {
		counts[table] = Value[int](t, d, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()+` WHERE user_id = $1`, user)
	}
	return counts
}

// UserTables lists the tables that have a user's credentials and history.
func (d *Database) UserTables(t testing.TB) []string {
	t.Helper()
	return Value[[]string](t, d, `
		SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'user\_%' AND relname <> 'user_account'`)
}
