package api_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// A staff key acts only on the organization that the header names; without the
// header, on none. Its replies, log lines and audit entries name the staff key.
// Ordinary keys may name only their own organization.
func TestStaffKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, _ := acme.NewEndpoint(`["*"]`)
	made := h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`)
	staff := apitest.Caller{Harness: h, Key: made.StaffKey}
	missing := "org_01890000000000000000000000"
	closed := h.Organization("Closed")
	h.Exec(`UPDATE organization SET deleted_at = now() WHERE name = 'Closed'`)

	for _, tt := range []struct {
		name, organization string
		as                 apitest.Caller
		want               string
	}{
		{"staff in one", acme.Org.String(), staff, `200 "id":"` + own + `"`},
		{"staff in another", evil.Org.String(), staff, `404 webhook_endpoint_not_found`},
		{"staff back in the first, from the cache", acme.Org.String(), staff, `200 "id":"` + own + `"`},
		{"staff nowhere", "", staff, `422 header.Portico-Organization`},
		{"staff in one that is missing", missing, staff, `404 organization_not_found`},
		{"staff in one that is closed", closed.Org.String(), staff, `404 organization_not_found`},
		{"staff in junk", "acme", staff, `422 header.Portico-Organization`},
		{"an API key in its own", acme.Org.String(), acme, `200 "id":"` + own + `"`},
		{"an API key in another", acme.Org.String(), evil, `404 organization_not_found !` + own},
		{"an API key in one that is missing", missing, evil, `404 organization_not_found`},
		{"an API key in junk", "acme", acme, `422 header.Portico-Organization`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.Lines.Reset()
			var headers []string
			if tt.organization != "" {
				headers = []string{"Portico-Organization", tt.organization}
			}
			r := tt.as.Do("GET", "/v1/webhook-endpoints/"+own, "", headers...)
			apitest.Want(t, r, tt.want)
			named := r.Header.Get("Portico-Staff-Key") == made.StaffKeyID && strings.Contains(h.Lines.String(), `"staff_key":"`+made.StaffKeyID+`"`) &&
				strings.Contains(h.Lines.String(), `"staff_name":"Ada"`)
			if named != (tt.as.Key == staff.Key) {
				t.Errorf("headers %v, log %s", r.Header, h.Lines)
			}
		})
	}
	a := evil.Do("GET", "/v1/events", "", "Portico-Organization", missing)
	if b := evil.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()); a.Body != b.Body {
		t.Errorf("missing\n%s differs from another's\n%s", a.Body, b.Body)
	}
}

// The work of staff belongs to the organization: its audit log names the staff
// key. An Idempotency-Key counts separately in each organization.
func TestStaffActs(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	made := h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`)
	staff := apitest.Caller{Harness: h, Key: made.StaffKey}
	const body = `{"name":"by staff","permissions":["events:read","webhook_endpoints:write"]}`
	first := staff.Do("POST", "/v1/api-keys", body, "Portico-Organization", acme.Org.String(), "Idempotency-Key", "k")
	second := staff.Do("POST", "/v1/api-keys", body, "Portico-Organization", evil.Org.String(), "Idempotency-Key", "k")
	apitest.Want(t, first, "201 ptc_")
	if second.Status != 201 || second.Get(t, "key") == first.Get(t, "key") || second.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the same Idempotency-Key in another organization: %d %s", second.Status, second.Body)
	}
	apitest.Want(t, evil.Do("GET", "/v1/api-keys/"+first.Get(t, "id"), ""), "404 api_key_not_found")
	if n := testkit.Value[int](t, h.Database, `
		SELECT count(*) FROM audit_entry e WHERE org_id = $1 AND action = 'api_key.create' AND to_jsonb(e)::text LIKE '%' || $2 || '%'`,
		acme.Org, made.StaffKeyID); n != 1 {
		t.Errorf("%d audit entries name the staff key, want 1", n)
	}

	h.Bootstrap(`{"command":"revoke_staff_key","staff_key_id":"` + made.StaffKeyID + `"}`)
	h.Advance(t, 5*time.Second)
	apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "401 api_key_invalid")
	end := h.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	staff.Key = h.Bootstrap(`{"command":"create_staff_key","name":"Ada","expires_at":"` + end + `"}`).StaffKey
	apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "200")
	h.Advance(t, time.Hour)
	apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "401 api_key_invalid")
}
