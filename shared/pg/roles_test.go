package pg_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/shared/pg"
	"portico/shared/testkit"
)

// grants lists all rights of the application's roles, by table. They have no
// right on a partition, because that would bypass the policies of its parent
// table.
var grants = map[string]map[string]string{
	"portico_app": {
		"clock":                 "SELECT",
		"dispatcher":            "SELECT",
		"organization":          "INSERT SELECT",
		"api_key":               "INSERT SELECT UPDATE",
		"idempotency_key":       "INSERT SELECT UPDATE",
		"webhook_endpoint":      "INSERT SELECT UPDATE",
		"webhook_secret":        "INSERT SELECT",
		"oauth_client":          "DELETE INSERT SELECT UPDATE",
		"oauth_grant":           "DELETE INSERT SELECT UPDATE",
		"sso_connection":        "DELETE INSERT SELECT UPDATE",
		"sso_trace":             "DELETE INSERT SELECT",
		"former_member":         "INSERT SELECT UPDATE",
		"directory":             "DELETE INSERT SELECT UPDATE",
		"directory_user":        "DELETE INSERT SELECT UPDATE",
		"directory_group":       "DELETE INSERT SELECT UPDATE",
		"directory_group_user":  "DELETE INSERT SELECT",
		"ordering_key":          "INSERT SELECT UPDATE",
		"event":                 "INSERT SELECT",
		"webhook_delivery":      "INSERT SELECT",
		"webhook_attempt":       "SELECT",
		"webhook_lane":          "INSERT SELECT UPDATE",
		"webhook_paused_key":    "DELETE SELECT",
		"webhook_recovery":      "INSERT SELECT",
		"audit_export":          "INSERT SELECT",
		"audit_export_schedule": "DELETE INSERT SELECT UPDATE",
		"erasure":               "INSERT SELECT",
		"event_external_id":     "DELETE INSERT SELECT",
		"event_catalog":         "INSERT SELECT UPDATE",
		"event_type":            "DELETE INSERT SELECT UPDATE",
		"event_type_version":    "DELETE INSERT SELECT",
		"webhook_stat":          "SELECT",
		"audit_entry":           "INSERT SELECT",
		"audit_target":          "INSERT SELECT",
		"audit_unchained":       "INSERT SELECT",
		"audit_head":            "SELECT",
		"audit_refusal":         "INSERT SELECT UPDATE",
		"audit_chain":           "SELECT",
		"audit_stream":          "DELETE INSERT SELECT UPDATE",
		"role":                  "DELETE INSERT SELECT UPDATE",
		"member":                "DELETE INSERT SELECT",
		"resource_grant":        "DELETE INSERT SELECT",
		"staff_key":             "INSERT SELECT",
		"staff":                 "INSERT SELECT",
		"staff_access":          "INSERT SELECT",
		"placement":             "SELECT",
		"domain":                "DELETE INSERT SELECT",
		"job":                   "DELETE INSERT SELECT UPDATE",
		"job_log":               "INSERT SELECT",
		"job_stat":              "SELECT",
		"job_schedule":          "DELETE INSERT SELECT UPDATE",
		"invitation":            "INSERT SELECT",
		"job_kind":              "DELETE INSERT SELECT UPDATE",
		"job_throttle":          "SELECT",
		"mail":                  "INSERT SELECT UPDATE",
		"mail_unsubscribed":     "INSERT SELECT",

		"event_consumer":            "INSERT SELECT UPDATE",
		"event_consumer_item":       "DELETE INSERT SELECT UPDATE",
		"event_consumer_progress":   "INSERT SELECT UPDATE",
		"limit_override":            "DELETE INSERT SELECT UPDATE",
		"mail_template_override":    "INSERT SELECT",
		"mail_template_publication": "INSERT SELECT",
	},
	"portico_worker": {
		"clock":                   "SELECT",
		"dispatcher":              "DELETE INSERT SELECT UPDATE",
		"idempotency_key":         "DELETE SELECT",
		"webhook_endpoint":        "SELECT",
		"webhook_secret":          "SELECT",
		"event":                   "DELETE INSERT SELECT",
		"ordering_key":            "SELECT",
		"webhook_delivery":        "DELETE INSERT SELECT UPDATE",
		"webhook_attempt":         "DELETE INSERT SELECT",
		"webhook_lane":            "SELECT UPDATE",
		"webhook_paused_key":      "DELETE INSERT SELECT",
		"webhook_recovery":        "DELETE SELECT",
		"audit_export":            "DELETE SELECT",
		"audit_export_schedule":   "SELECT",
		"erasure":                 "DELETE SELECT",
		"event_external_id":       "DELETE SELECT",
		"event_catalog":           "SELECT",
		"event_consumer":          "DELETE SELECT",
		"event_consumer_item":     "DELETE INSERT SELECT UPDATE",
		"event_type":              "SELECT",
		"event_type_version":      "SELECT",
		"webhook_stat":            "DELETE INSERT SELECT UPDATE",
		"audit_entry":             "INSERT SELECT",
		"audit_unchained":         "DELETE INSERT SELECT",
		"audit_head":              "INSERT SELECT UPDATE",
		"audit_chain":             "INSERT",
		"audit_refusal":           "DELETE SELECT",
		"audit_stream":            "SELECT",
		"sso_connection":          "SELECT",
		"sso_trace":               "DELETE SELECT",
		"placement":               "SELECT",
		"audit_target":            "INSERT",
		"job":                     "DELETE INSERT SELECT UPDATE",
		"job_log":                 "INSERT SELECT",
		"job_stat":                "DELETE INSERT SELECT UPDATE",
		"job_schedule":            "DELETE INSERT SELECT UPDATE",
		"invitation":              "DELETE SELECT",
		"job_kind":                "INSERT SELECT UPDATE",
		"job_throttle":            "INSERT SELECT UPDATE",
		"mail":                    "DELETE SELECT UPDATE",
		"mail_dmarc":              "DELETE SELECT",
		"mail_stream":             "SELECT",
		"mail_stream_day":         "DELETE SELECT",
		"mail_suppression":        "DELETE INSERT SELECT UPDATE",
		"mail_suppression_lifted": "DELETE SELECT",
	},
	"portico_identity": {
		"clock":              "SELECT",
		"user_login":         "DELETE SELECT",
		"user_password":      "DELETE INSERT SELECT UPDATE",
		"user_identity":      "DELETE INSERT SELECT",
		"user_totp":          "DELETE INSERT SELECT UPDATE",
		"user_recovery_code": "DELETE INSERT SELECT",
		"user_passkey":       "DELETE INSERT SELECT",
		"user_event":         "INSERT SELECT",
	},
}

// The roles have exactly the rights that are listed, whoever granted them.
func TestGrants(t *testing.T) {
	d := testkit.DB(t)
	got := map[string]map[string]string{"portico_app": {}, "portico_worker": {}, "portico_identity": {}}
	rows, err := d.Admin.Query(context.Background(), `
		SELECT r.rolname, c.relname, string_agg(p.name, ' ' ORDER BY p.name)
		FROM pg_class c, pg_roles r,
		     unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (name)
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		  AND r.rolname IN ('portico_app', 'portico_worker', 'portico_identity') AND has_table_privilege(r.oid, c.oid, p.name)
		GROUP BY r.rolname, c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	var role, table, rights string
	if _, err := pgx.ForEachRow(rows, []any{&role, &table, &rights}, func() error {
		got[role][table] = rights
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(grants, got); diff != "" {
		t.Errorf("rights of the application's roles (-listed +granted):\n%s", diff)
	}
}

// The columns that a role may use in tables of which it may not use all columns.
func TestColumnGrants(t *testing.T) {
	d := testkit.DB(t)
	got := testkit.Value[[]string](t, d, `
		SELECT array_agg(format('%s: %s %s.%s', g.grantee::regrole, g.privilege_type, a.attrelid::regclass, a.attname) ORDER BY a.attrelid::regclass::text COLLATE "C", a.attname, g.grantee::regrole::text, g.privilege_type)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) g
		WHERE c.relnamespace = 'public'::regnamespace`)
	want := []string{
		"portico_worker: SELECT api_key.expires_at",
		"portico_worker: SELECT api_key.org_id",
		"portico_worker: SELECT api_key.revoked_at",
		"portico_app: UPDATE audit_export.entries",
		"portico_app: UPDATE audit_export.finished_at",
		"portico_app: UPDATE audit_export.first_number",
		"portico_app: UPDATE audit_export.last_hash",
		"portico_app: UPDATE audit_export.last_number",
		"portico_app: UPDATE audit_export.next_number",
		"portico_app: UPDATE audit_export.parts",
		"portico_app: UPDATE audit_export.rest",
		"portico_app: UPDATE audit_export.size",
		"portico_app: UPDATE audit_export.status",
		"portico_app: UPDATE audit_export.upload",
		"portico_app: UPDATE audit_head.archived",
		"portico_app: UPDATE audit_head.archiving",
		"portico_app: UPDATE domain.verified_at",
		"portico_app: UPDATE erasure.events",
		"portico_app: UPDATE erasure.examined",
		"portico_app: UPDATE erasure.filter",
		"portico_app: UPDATE erasure.finished_at",
		"portico_app: UPDATE erasure.last_event_id",
		"portico_app: UPDATE erasure.last_mail_id",
		"portico_app: UPDATE erasure.mails",
		"portico_app: UPDATE erasure.mails_done_at",
		"portico_app: UPDATE erasure.ordering_keys",
		"portico_app: UPDATE erasure.recipient",
		"portico_app: UPDATE erasure.status",
		"portico_app: UPDATE event.expunged_at",
		"portico_worker: UPDATE event.expunged_at",
		"portico_app: UPDATE event.ordering_key",
		"portico_app: UPDATE event.payload",
		"portico_app: UPDATE event_external_id.digest",
		"portico_app: UPDATE event_external_id.event_id",
		"portico_app: UPDATE invitation.accepted_at",
		"portico_app: UPDATE invitation.declined",
		"portico_app: UPDATE invitation.expires_at",
		"portico_app: UPDATE invitation.inviter_id",
		"portico_app: UPDATE invitation.inviter_name",
		"portico_app: UPDATE invitation.inviter_type",
		"portico_app: UPDATE invitation.mailed_at",
		"portico_app: UPDATE invitation.revoked_at",
		"portico_app: UPDATE invitation.token_hash",
		"portico_app: UPDATE member.entered_at",
		"portico_app: UPDATE member.locale",
		"portico_app: UPDATE member.name",
		"portico_app: UPDATE member.predefined",
		"portico_app: UPDATE member.role_id",
		"portico_app: UPDATE member.updated_at",
		"portico_worker: UPDATE ordering_key.last_seq",
		"portico_app: UPDATE organization.branding",
		"portico_app: UPDATE organization.deleted_at",
		"portico_worker: SELECT organization.deleted_at",
		"portico_worker: SELECT organization.id",
		"portico_app: UPDATE organization.name",
		"portico_app: UPDATE organization.settings",
		"portico_app: UPDATE organization.updated_at",
		"portico_app: UPDATE organization.version",
		"portico_app: UPDATE staff.disabled_at",
		"portico_app: UPDATE staff.level",
		"portico_app: UPDATE staff.name",
		"portico_app: UPDATE staff_access.ended_at",
		"portico_app: UPDATE staff_key.revoked_at",
		"portico_app: SELECT user_account.email",
		"portico_identity: SELECT user_account.email",
		"portico_identity: UPDATE user_account.email",
		"portico_app: SELECT user_account.id",
		"portico_identity: SELECT user_account.id",
		"portico_identity: SELECT user_account.name",
		"portico_identity: UPDATE user_account.name",
		"portico_identity: UPDATE user_identity.email",
		"portico_identity: UPDATE user_identity.used_at",
		"portico_identity: UPDATE user_login.credential_version",
		"portico_identity: UPDATE user_login.email_verified_at",
		"portico_identity: UPDATE user_login.last_sign_in_at",
		"portico_identity: UPDATE user_login.suspended_at",
		"portico_identity: UPDATE user_passkey.backed_up",
		"portico_identity: UPDATE user_passkey.name",
		"portico_identity: UPDATE user_passkey.sign_count",
		"portico_identity: UPDATE user_passkey.used_at",
		"portico_identity: UPDATE user_recovery_code.used_at",
		"portico_app: UPDATE webhook_attempt.error",
		"portico_app: UPDATE webhook_attempt.exchange",
		"portico_app: UPDATE webhook_attempt.response_body",
		"portico_app: UPDATE webhook_delivery.completed_at",
		"portico_app: UPDATE webhook_delivery.expired",
		"portico_app: UPDATE webhook_delivery.expires_at",
		"portico_app: UPDATE webhook_delivery.lease",
		"portico_app: UPDATE webhook_delivery.leased_until",
		"portico_app: UPDATE webhook_delivery.next_retry_at",
		"portico_app: UPDATE webhook_delivery.ordering_key",
		"portico_app: UPDATE webhook_delivery.redelivered_at",
		"portico_app: UPDATE webhook_delivery.seq",
		"portico_app: UPDATE webhook_delivery.status",
		"portico_app: UPDATE webhook_delivery.tries_before",
		"portico_worker: UPDATE webhook_endpoint.certificate_told_at",
		"portico_worker: UPDATE webhook_endpoint.disabled_at",
		"portico_worker: UPDATE webhook_endpoint.disabled_reason",
		"portico_worker: UPDATE webhook_endpoint.status",
		"portico_worker: UPDATE webhook_endpoint.updated_at",
		"portico_app: UPDATE webhook_recovery.deliveries",
		"portico_app: UPDATE webhook_recovery.examined",
		"portico_app: UPDATE webhook_recovery.finished_at",
		"portico_app: UPDATE webhook_recovery.last_event_id",
		"portico_app: UPDATE webhook_recovery.status",
		"portico_app: UPDATE webhook_secret.expires_at",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights on columns (-listed +granted):\n%s", diff)
	}
}

// portico_worker sees the rows of every organization in its tables. Without a
// policy of its own a granted table would show it no rows.
func TestWorkerWorksAcrossOrganizations(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	var n int
	if err := w.Worker.QueryRow(ctx, `SELECT count(*) FROM webhook_endpoint`).Scan(&n); err != nil || n != 2 {
		t.Errorf("the worker sees %d endpoints (%v), want 2", n, err)
	}
	w.Exec(t, `GRANT SELECT ON api_key, organization TO portico_worker`)
	if err := w.Worker.QueryRow(ctx, `SELECT count(*) FROM organization`).Scan(&n); err != nil || n != 0 {
		t.Errorf("the worker sees %d organizations (%v), want none", n, err)
	}
}

// No statement lets the application's roles gain rights: they cannot bypass the
// wall, become another role or change the schema.
func TestRolesCannotEscape(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	both := []string{
		`TRUNCATE webhook_endpoint`,
		`TRUNCATE dispatcher`,
		`DELETE FROM webhook_endpoint`,
		`SET ROLE portico_owner`,
		`SET SESSION AUTHORIZATION portico_owner`,
		`UPDATE clock SET clock_offset = '1 day'`,
		`DELETE FROM clock`,
		`ALTER TABLE webhook_endpoint DISABLE ROW LEVEL SECURITY`,
		`DROP POLICY wall ON webhook_endpoint`,
		`CREATE POLICY mine ON webhook_endpoint USING (true)`,
		`CREATE TABLE mine (id int)`,
		`CREATE FUNCTION app_org() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'`,
		`CREATE OR REPLACE FUNCTION portico_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT NULL::timestamptz'`,
		`CALL raise_wall('webhook_endpoint')`,
		`CALL open_to_worker('webhook_endpoint', 'ALL')`,
		`SELECT * FROM goose_db_version`,
		`CALL raise_user_wall('webhook_endpoint')`,
		`SELECT check_membership(NULL)`,
		`SELECT pg_read_file('/etc/passwd')`,
		`COPY webhook_endpoint TO PROGRAM 'cat'`,
	}
	for role, only := range map[string][]string{
		"portico_app": {`SELECT make_partitions()`, `SELECT drop_partition('event_2020_01', '1 day')`, `SELECT * FROM event_retentions()`, `SELECT open_arrival(NULL, '')`, `SET ROLE portico_worker`, `SET ROLE portico_identity`,
			`SELECT * FROM find_credentials('')`, `SELECT find_identity('', '', '')`, `SELECT * FROM begin_user('', '', NULL)`},
		"portico_worker": {`SET ROLE portico_app`, `SELECT * FROM api_key`, `SELECT api_key_org('')`, `SELECT * FROM staff_key`, `SELECT * FROM organization`, `SELECT name FROM organization`, `SELECT list_organizations(NULL, NULL, '', 1)`, `INSERT INTO webhook_secret VALUES (NULL)`,
			`SELECT * FROM find_credentials('')`, `SELECT * FROM memberships_of(NULL, 1)`, `SELECT address_of(NULL)`, `SELECT copy_address(NULL, '')`, `SELECT * FROM factors_of(NULL)`, `SELECT reset_factors_of(NULL, NULL)`},
		"portico_identity": {`SET ROLE portico_app`, `SELECT * FROM webhook_endpoint`, `SELECT * FROM organization`, `SELECT * FROM member`, `SELECT * FROM api_key`, `SELECT * FROM staff_key`,
			`SELECT user_of('', '', NULL)`, `SELECT user_with('')`, `SELECT address_of(NULL)`, `SELECT copy_address(NULL, '')`, `SELECT * FROM memberships_of(NULL, 1)`, `SELECT * FROM factors_of(NULL)`, `SELECT reset_factors_of(NULL, NULL)`,
			`INSERT INTO user_login (user_id) VALUES (NULL)`, `UPDATE user_event SET action = 'a.b'`, `DELETE FROM user_event`, `TRUNCATE user_event`, `DELETE FROM user_account`},
	} {
		conn := w.Session(t, role)
		for _, sql := range append(only, both...) {
			if _, err := conn.Exec(ctx, sql); state(err) != denied {
				t.Errorf("%s: %s: %v, want %s", role, sql, err, denied)
			}
		}
	}
}

// Switching row security off makes queries fail, instead of showing all rows.
func TestRowSecurityCannotBeSwitchedOff(t *testing.T) {
	w, ctx := newTwo(t), context.Background()
	err := w.App.InOrg(ctx, w.mine, func(tx pg.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL row_security = off`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT * FROM webhook_endpoint`)
		return err
	})
	if state(err) != denied {
		t.Errorf("answered %v, want %s", err, denied)
	}
}
