package jobs_test

import (
	"context"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// Staff see kinds, pause and resume them, and bound how many of their jobs run. What is
// wrong is refused, and the field is named.
func TestStaffJobKinds(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	const plain = `"declared":{"max_per_organization":null,"max_in_all":null} "override":{"max_per_organization":null,"max_in_all":null} "paused_at":null "paused_by":null "pause_reason":null`

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", "", "", staff, `200 "name":"test.export" "visible":true "name":"test.hidden" "visible":false "databases":[{"name":"home","status":"current","paused_at":null}]`},
		{"list as a customer", "GET", "", "", acme, `403 staff_only`},
		{"get", "GET", "/test.hidden", "", staff, `200 "queue":"high" ` + plain},
		{"get a missing one", "GET", "/test.missing", "", staff, `404 job_kind_not_found`},
		{"get one with another form of name", "GET", "/A", "", staff, `422 path.name`},
		{"get as a customer", "GET", "/test.hidden", "", acme, `403 staff_only`},
		{"pause without a reason", "POST", "/test.hidden/pause", `{}`, staff, `422 body.reason`},
		{"pause with U+0000", "POST", "/test.hidden/pause", `{"reason":"\u0000"}`, staff, `422 body.reason`},
		{"pause a missing one", "POST", "/test.missing/pause", `{"reason":"r"}`, staff, `404 job_kind_not_found`},
		{"pause as a customer", "POST", "/test.hidden/pause", `{"reason":"r"}`, acme, `403 staff_only`},
		{"pause", "POST", "/test.hidden/pause", `{"reason":"a fault"}`, staff, `200 "paused_by":"staff_ "pause_reason":"a fault" "databases":[{"name":"home","status":"current","paused_at":"2`},
		{"limit", "PATCH", "/test.hidden", `{"max_per_organization":2,"max_in_all":5}`, staff, `200 "override":{"max_per_organization":2,"max_in_all":5} "pause_reason":"a fault"`},
		{"limit one", "PATCH", "/test.hidden", `{"max_in_all":0}`, staff, `200 "override":{"max_per_organization":2,"max_in_all":null}`},
		{"a limit below 0", "PATCH", "/test.hidden", `{"max_in_all":-1}`, staff, `422 body.max_in_all`},
		{"a limit of another type", "PATCH", "/test.hidden", `{"max_in_all":"2"}`, staff, `422 body.max_in_all`},
		{"limit a missing one", "PATCH", "/test.missing", `{"max_in_all":1}`, staff, `404 job_kind_not_found`},
		{"limit as a customer", "PATCH", "/test.hidden", `{"max_in_all":1}`, acme, `403 staff_only`},
		{"resume a missing one", "POST", "/test.missing/resume", "", staff, `404 job_kind_not_found`},
		{"resume", "POST", "/test.hidden/resume", "", staff, `200 "paused_at":null "paused_by":null "pause_reason":null`},
		{"resume again", "POST", "/test.hidden/resume", "", staff, `200 "paused_at":null`},
		{"without limits", "PATCH", "/test.hidden", `{"max_per_organization":0}`, staff, `200 ` + plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/staff/job-kinds"+tt.path, tt.body), tt.want)
		})
	}
}

// The reply and the list say in which database a change has not arrived, and which one
// is away. A paused kind's jobs wait.
func TestKindsInSeveralDatabases(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	other, acme, staff := testkit.DB(t), h.Organization("Acme"), h.NewStaff()
	testkit.Must(t, h.App.Add(context.Background(), "acme", other.URL("portico_app")))
	const path = "/v1/staff/job-kinds/test.hidden"
	apitest.Want(t, staff.Do("GET", path, ""), `200 {"name":"acme","status":"current","paused_at":null}`)
	apitest.Want(t, staff.Do("POST", path+"/pause", `{"reason":"a fault"}`), `200 {"name":"acme","status":"behind","paused_at":null}`)
	apitest.Want(t, staff.Do("GET", path, ""), `200 {"name":"acme","status":"behind","paused_at":null}`)
	other.Exec(t, `REVOKE SELECT ON job_kind FROM portico_app`)
	apitest.Want(t, staff.Do("GET", path, ""), `200 {"name":"acme","status":"away","paused_at":null}`)

	waits := acme.NewJob(apitest.Hidden, "good").String()
	h.DoJobs()
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs", ""), `200 `+waits+` "status":"pending"`)
	apitest.Want(t, staff.Do("POST", path+"/resume", ""), `200`)
	h.DoJobs()
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs?kind=test.hidden", ""), `200 !`+waits)
}
