package schedules_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
)

// A schedule is created, read, changed and deleted by its organization only. Wrong members
// are named, and there are at most ten.
func TestSchedules(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	auditor, foreign := acme.NewMember("auditor@example.com", "owner"), evil.NewMember("eve@example.com", "owner")
	siem := acme.Make("/v1/audit-streams", apitest.HTTPSStream)
	bucket := acme.Make("/v1/audit-streams", `{"name":"S3","type":"s3","s3":{"bucket":"acme-audit-log","region":"eu-central-1","role_arn":"arn:aws:iam::123456789012:role/portico"}}`)
	missing := id.New[id.AuditStream](h.Clock.Now()).String()
	made := acme.Do("POST", "/v1/audit-export-schedules", `{"every":"week","format":"ndjson","stream_id":"`+bucket+`","filter":{"action":"role.*","q":"ada lovelace"}}`)
	apitest.Want(t, made, `201 "every":"week" "stream_id":"`+bucket+`" "member_id":null "action":"role.*" "q":"ada lovelace" "last_export":null "problem":null "failures":0`)
	path := "/" + made.Get(t, "id")
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"no destination", "POST", "", `{"every":"day","format":"csv"}`, acme, `422 body.stream_id`},
		{"two destinations", "POST", "", `{"every":"day","format":"csv","stream_id":"` + bucket + `","member_id":"` + auditor + `"}`, acme, `422 body.member_id`},
		{"a stream without a bucket", "POST", "", `{"every":"day","format":"csv","stream_id":"` + siem + `"}`, acme, `422 body.stream_id`},
		{"a stream that is not there", "POST", "", `{"every":"day","format":"csv","stream_id":"` + missing + `"}`, acme, `422 body.stream_id`},
		{"another organization's stream", "POST", "", `{"every":"day","format":"csv","stream_id":"` + bucket + `"}`, evil, `422 body.stream_id`},
		{"another organization's member", "POST", "", `{"every":"day","format":"csv","member_id":"` + foreign + `"}`, acme, `422 body.member_id`},
		{"an unknown period", "POST", "", `{"every":"hour","format":"csv","member_id":"` + auditor + `"}`, acme, `422 body.every`},
		{"NUL", "POST", "", `{"every":"day","format":"csv","member_id":"` + auditor + `","filter":{"q":"\u0000"}}`, acme, `422 body.filter.q`},
		{"without the permission", "POST", "", `{"every":"day","format":"csv","member_id":"` + auditor + `"}`, acme.With(auth.AuditLogRead), `403 `},
		{"another organization's", "GET", path, "", evil, `404 audit_export_schedule_not_found`},
		{"to change another organization's", "PATCH", path, `{"format":"csv"}`, evil, `404 audit_export_schedule_not_found`},
		{"to delete another organization's", "DELETE", path, "", evil, `404 audit_export_schedule_not_found`},
		{"change", "PATCH", path, `{"format":"csv","filter":{},"member_id":"` + auditor + `"}`, acme, `200 "format":"csv" "stream_id":null "member_id":"` + auditor + `" "filter":{}`},
		{"read", "GET", path, "", acme, `200 "format":"csv"`},
		{"list", "GET", "", "", acme, `200 "format":"csv" "next":null`},
		{"delete", "DELETE", path, "", acme, `204 `},
		{"delete again", "DELETE", path, "", acme, `404 audit_export_schedule_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/audit-export-schedules"+tt.path, tt.body), tt.want)
		})
	}
	body := `{"every":"day","format":"csv","member_id":"` + auditor + `"}`
	for range 10 {
		apitest.Want(t, acme.Do("POST", "/v1/audit-export-schedules", body), `201 `)
	}
	apitest.Want(t, acme.Do("POST", "/v1/audit-export-schedules", body), `409 too_many_audit_export_schedules`)
}
