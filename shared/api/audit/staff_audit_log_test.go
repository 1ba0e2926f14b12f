package audit_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Staff read what they changed of the platform itself, and nobody else does. What they
// do in an organization is in its own log. That one was created is in both.
func TestPlatformAuditLog(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-kinds/test.hidden/pause", `{"reason":"a fault"}`), "200 ")
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-kinds/test.hidden/resume", ""), "200 ")
	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"all", "staff/audit-log", staff, `200 "job_kind.resume" "job_kind.pause" "type":"staff_key" "pause_reason":"a fault" "id":"test.hidden" "organization.create" !key_name`},
		{"by pages", "staff/audit-log?limit=1&action=job_kind.*", staff, `200 "job_kind.resume" !"job_kind.pause" "next":"`},
		{"of an action", "staff/audit-log?action=job_kind.pause", staff, `200 "job_kind.pause" !"job_kind.resume"`},
		{"of a target", "staff/audit-log?target_id=test.hidden", staff, `200 "job_kind.pause"`},
		{"of a malformed action", "staff/audit-log?action=x", staff, `422 query.action`},
		{"since before there were ids", "staff/audit-log?since=1969-12-31T23:59:59Z", staff, `422 query.since`},
		{"after junk", "staff/audit-log?after=x", staff, `422 query.after`},
		{"as a customer", "staff/audit-log", acme.With(auth.AuditLogRead), `403 staff_only`},
		{"an organization's", "audit-log", acme, `200 !job_kind`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/"+tt.path, ""), tt.want) })
	}
}
