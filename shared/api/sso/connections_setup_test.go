package sso_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/role"
	"portico/shared/testkit"
)

// An owner makes a set-up link for a connection of their own that is not active, and takes it
// back. The link's secret is in no audit entry.
func TestSetupLinks(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	const path = "/v1/sso-connections"
	own, active, foreign := acme.Make(path, `{`+entra+`}`), acme.Make(path, `{`+entra+`}`), evil.Make(path, `{`+entra+`}`)
	acme.Exec(`UPDATE sso_connection SET status = 'active' WHERE id = (SELECT max(id::text)::uuid FROM sso_connection WHERE org_id = (SELECT id FROM organization WHERE name = 'Acme'))`)
	stale := acme.AsMember(acme.NewMember("ada@example.com", role.Owner))
	stale.As.Proved = h.Clock.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name, method, path string
		as                 apitest.Caller
		want               string
	}{
		{"create", "POST", own, acme, `201 /sso-setup?token= "ends_at":"`},
		{"create another", "POST", own, acme, `201 /sso-setup?token=`},
		{"of an active one", "POST", active, acme, `409 sso_connection_active`},
		{"without permission", "POST", own, acme.With(auth.SSOConnectionsRead), `403 sso_connections:write`},
		{"without a recent proof", "POST", own, stale, `403 reauthentication_required`},
		{"another organization's", "POST", foreign, acme, `404 sso_connection_not_found`},
		{"delete another organization's", "DELETE", foreign, acme, `404 sso_connection_not_found`},
		{"delete", "DELETE", own, acme, `204`},
		{"delete again", "DELETE", own, acme, `204`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, path+"/"+tt.path+"/setup-link", ""), tt.want)
		})
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(setup_hash) FROM sso_connection`); n != 0 {
		t.Errorf("%d links are left", n)
	}
	log := testkit.Value[string](t, h.Database, `SELECT string_agg(action, ', ' ORDER BY id) FROM audit_entry WHERE action LIKE 'sso_connection.%link' AND (after IS NULL OR after::jsonb ? 'setup_link_ends_at' AND after::text NOT LIKE '%token%')`)
	if log != "sso_connection.create_setup_link, sso_connection.create_setup_link, sso_connection.delete_setup_link, sso_connection.delete_setup_link" {
		t.Errorf("the log: %s", log)
	}
}
