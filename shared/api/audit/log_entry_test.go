package audit_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// An entry is shown with before and after, and with its place in the chain once it has
// one. Nobody sees an entry of another organization, and staff see those of the platform.
func TestAuditEntry(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	endpoint, _ := acme.NewEndpoint(`["a"]`)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+endpoint, `{"description":"<b>x"}`), "200 ")
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-kinds/test.hidden/pause", `{"reason":"a fault"}`), "200 ")
	sequence(t, h)
	head := acme.Do("GET", "/v1/audit-log/verify", "").Get(t, "head.hash")
	newest := acme.Do("GET", "/v1/audit-log?limit=1", "").Get(t, "data.0.id")
	platform := staff.Do("GET", "/v1/staff/audit-log?limit=1", "").Get(t, "data.0.id")
	waiting := acme.Do("GET", "/v1/audit-log?limit=1", "").Get(t, "data.0.id")
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/"+waiting, ""), `200 "audit_log.read" "chain":null`)
	first := acme.Do("GET", "/v1/audit-log?action=organization.create", "").Get(t, "data.0.id")
	before := acme.Do("GET", "/v1/audit-log/"+acme.Do("GET", "/v1/audit-log?action=webhook_endpoint.create", "").Get(t, "data.0.id"), "").Get(t, "chain.hash")
	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"the newest", "audit-log/" + newest, acme, `200 "webhook_endpoint.update" "before":{"description":""} "after":{"description":"<b>x"} "number":3 "hash":"` + head + `" "hash_before":"` + before + `" "personal_hash":"`},
		{"the first", "audit-log/" + first, acme, `200 "number":1 "hash_before":"` + strings.Repeat("0", 64) + `" !"hash":"` + head},
		{"another organization's", "audit-log/" + newest, evil, `404 audit_entry_not_found`},
		{"the platform's, as a customer", "audit-log/" + platform, acme, `404 audit_entry_not_found`},
		{"the platform's", "staff/audit-log/" + platform, staff, `200 "job_kind.pause" "number":`},
		{"an organization's, as the platform's", "staff/audit-log/" + newest, staff, `404 audit_entry_not_found`},
		{"the platform's, by a customer", "staff/audit-log/" + platform, acme, `403 staff_only`},
		{"an id of another kind", "audit-log/" + endpoint, acme, `422 path.id`},
		{"a word", "audit-log/x", acme, `422 path.id`},
		{"a long word", "audit-log/" + strings.Repeat("a", 5000), acme, `422 path.id`},
		{"without the permission", "audit-log/" + newest, acme.With(auth.EventsRead), `403 audit_log:read`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/"+tt.path, ""), tt.want) })
	}
}
