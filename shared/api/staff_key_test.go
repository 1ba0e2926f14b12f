package api_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/testkit"
)

// A staff key acts on the organization that the header names, on no other, and
// on none without; its replies, log lines and audit entries say whose it is.
// Ordinary keys may name their own organization only.
func TestStaffKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	own, _ := acme.newEndpoint(`["*"]`)
	made := h.begin(`{"command":"create_staff_key","name":"Ada"}`)
	staff := caller{harness: h, key: made.StaffKey}
	missing := "org_01890000000000000000000000"
	closed := h.org("Closed")
	mustExec(t, h, `UPDATE organization SET deleted_at = now() WHERE name = 'Closed'`)

	for _, tt := range []struct {
		name, organization string
		as                 caller
		want               string
	}{
		{"staff in one", acme.org.String(), staff, `200 "id":"` + own + `"`},
		{"staff in another", evil.org.String(), staff, `404 webhook_endpoint_not_found`},
		{"staff back in the first, from the cache", acme.org.String(), staff, `200 "id":"` + own + `"`},
		{"staff nowhere", "", staff, `422 header.Portico-Organization`},
		{"staff in one that is missing", missing, staff, `404 organization_not_found`},
		{"staff in one that is closed", closed.org.String(), staff, `404 organization_not_found`},
		{"staff in junk", "acme", staff, `422 header.Portico-Organization`},
		{"an API key in its own", acme.org.String(), acme, `200 "id":"` + own + `"`},
		{"an API key in another", acme.org.String(), evil, `404 organization_not_found !` + own},
		{"an API key in one that is missing", missing, evil, `404 organization_not_found`},
		{"an API key in junk", "acme", acme, `422 header.Portico-Organization`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.lines.mu.Lock()
			h.lines.buf.Reset()
			h.lines.mu.Unlock()
			var headers []string
			if tt.organization != "" {
				headers = []string{"Portico-Organization", tt.organization}
			}
			r := tt.as.do("GET", "/v1/webhook-endpoints/"+own, "", headers...)
			want(t, r, tt.want)
			named := r.header.Get("Portico-Staff-Key") == made.StaffKeyID && strings.Contains(h.lines.String(), `"staff_key":"`+made.StaffKeyID+`"`) &&
				strings.Contains(h.lines.String(), `"staff_name":"Ada"`)
			if named != (tt.as.key == staff.key) {
				t.Errorf("headers %v, log %s", r.header, h.lines)
			}
		})
	}
	a := evil.do("GET", "/v1/events", "", "Portico-Organization", missing)
	if b := evil.do("GET", "/v1/events", "", "Portico-Organization", acme.org.String()); a.body != b.body {
		t.Errorf("missing\n%s differs from another's\n%s", a.body, b.body)
	}
}

// What staff does is the organization's: it is written down as staff's, and an
// Idempotency-Key counts in each organization by itself.
func TestStaffActs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	made := h.begin(`{"command":"create_staff_key","name":"Ada"}`)
	staff := caller{harness: h, key: made.StaffKey}
	const body = `{"name":"by staff","permissions":["events:read","webhook_endpoints:write"]}`
	first := staff.do("POST", "/v1/api-keys", body, "Portico-Organization", acme.org.String(), "Idempotency-Key", "k")
	second := staff.do("POST", "/v1/api-keys", body, "Portico-Organization", evil.org.String(), "Idempotency-Key", "k")
	want(t, first, "201 ptc_")
	if second.status != 201 || second.get(t, "key") == first.get(t, "key") || second.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the same Idempotency-Key in another organization: %d %s", second.status, second.body)
	}
	want(t, evil.do("GET", "/v1/api-keys/"+first.get(t, "id"), ""), "404 api_key_not_found")
	if n := testkit.Value[int](t, h.Database, `
		SELECT count(*) FROM audit_entry e WHERE org_id = $1 AND action = 'api_key.create' AND to_jsonb(e)::text LIKE '%' || $2 || '%'`,
		acme.org, made.StaffKeyID); n != 1 {
		t.Errorf("%d audit entries name the staff key, want 1", n)
	}

	h.begin(`{"command":"revoke_staff_key","staff_key_id":"` + made.StaffKeyID + `"}`)
	h.Advance(t, 5*time.Second)
	want(t, staff.do("GET", "/v1/events", "", "Portico-Organization", acme.org.String()), "401 api_key_invalid")
	end := h.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	staff.key = h.begin(`{"command":"create_staff_key","name":"Ada","expires_at":"` + end + `"}`).StaffKey
	want(t, staff.do("GET", "/v1/events", "", "Portico-Organization", acme.org.String()), "200")
	h.Advance(t, time.Hour)
	want(t, staff.do("GET", "/v1/events", "", "Portico-Organization", acme.org.String()), "401 api_key_invalid")
}
