package jobs_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// Staff redrive the dead jobs of all organizations and of the platform. What is wrong
// is refused with a reason.
func TestStaffJobRedrives(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	one, two, ours := acme.NewJob(apitest.Export, "bad").String(), evil.NewJob(apitest.Hidden, "bad").String(), platformJob(h)
	h.DoJobs()
	customers := acme.Make("/v1/job-redrives", `{"filter":{"fingerprint":"none"}}`)
	ended := staff.Make("/v1/staff/job-redrives", `{"filter":{"fingerprint":"none"}}`)
	narrow := staff.Make("/v1/staff/job-redrives", `{"filter":{"organization_id":"`+evil.Org.String()+`","kind":"test.hidden"}}`)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"create", "POST", "", `{"filter":{"fingerprint":"x","since":"2026-01-01T00:00:00Z"},"per_second":3}`, staff,
			`201 "status":"pending" "fingerprint":"x" "per_second":3 "since":"2026-01-01T00:00:00.000000Z" "organization_id":null "created_by":"staff_`},
		{"create without a filter", "POST", "", `{}`, staff, `422 body.filter`},
		{"create for redrives", "POST", "", `{"filter":{"kind":"job.redrive_everywhere"}}`, staff, `422 body.filter.kind`},
		{"create for a kind that is none", "POST", "", `{"filter":{"kind":"x"}}`, staff, `422 body.filter.kind`},
		{"create for an organization that is none", "POST", "", `{"filter":{"organization_id":"x"}}`, staff, `422 body.filter.organization_id`},
		{"create too fast", "POST", "", `{"filter":{},"per_second":101}`, staff, `422 body.per_second`},
		{"create with U+0000", "POST", "", `{"filter":{"fingerprint":"\u0000"}}`, staff, `422 body.filter.fingerprint`},
		{"create for no time", "POST", "", `{"filter":{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}}`, staff, `422 body.filter.until`},
		{"create as a customer", "POST", "", `{"filter":{}}`, acme, `403 staff_only`},
		{"list", "GET", "", "", staff, `200 ` + narrow + ` ` + ended + ` !` + customers},
		{"list by pages", "GET", "?limit=1", "", staff, `200 "next":"`},
		{"list a status that is none", "GET", "?status=x", "", staff, `422 query.status`},
		{"list after junk", "GET", "?after=x", "", staff, `422 query.after`},
		{"list as a customer", "GET", "", "", acme.With(auth.JobsRead), `403 staff_only`},
		{"get", "GET", "/" + narrow, "", staff, `200 "kind":"test.hidden" "per_second":10 "organization_id":"` + evil.Org.String() + `"`},
		{"get a customer's", "GET", "/" + customers, "", staff, `404 job_not_found`},
		{"get a job that is no redrive", "GET", "/" + ours, "", staff, `404 job_not_found`},
		{"get a missing one", "GET", "/" + missing, "", staff, `404 job_not_found`},
		{"get a malformed id", "GET", "/1", "", staff, `422 path.id`},
		{"get as a customer", "GET", "/" + narrow, "", acme, `403 staff_only`},
		{"cancel a customer's", "POST", "/" + customers + "/cancel", "", staff, `404 job_not_found`},
		{"cancel as a customer", "POST", "/" + ended + "/cancel", "", acme, `403 staff_only`},
		{"cancel", "POST", "/" + ended + "/cancel", "", staff, `200 "status":"cancelled"`},
		{"cancel again", "POST", "/" + ended + "/cancel", "", staff, `409 job_finished`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/staff/job-redrives"+tt.path, tt.body), tt.want)
		})
	}
	h.DoJobs()
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs", ""), `200 `+two+` "status":"pending"`)
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs?status=dead", ""), `200 `+one+` `+ours+` !`+two)
	h.Advance(t, time.Second)
	h.DoJobs() // two dies again
	apitest.Want(t, staff.Do("GET", "/v1/staff/job-redrives/"+narrow, ""), `200 "status":"succeeded" "done":1 "total":1`)
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log?action=job_redrive.create", ""), `200 `+narrow+` `+ended+` "organization_id":"`+evil.Org.String())

	all := staff.Make("/v1/staff/job-redrives", `{"filter":{},"per_second":2}`)
	for range 4 {
		h.DoJobs()
		h.Advance(t, time.Second)
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/job-redrives/"+all, ""), `200 "status":"succeeded" "done":3 "total":3`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM job WHERE status = 'dead' AND tries->-2->'redriven_at' IS NOT NULL`); n != 3 {
		t.Errorf("%d jobs were redriven and died again, want 3", n)
	}
}

// A redrive reaches the dead jobs of every database, and leaves an organization that
// has left one.
func TestRedriveOfEveryDatabase(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	other, staff := testkit.DB(t), h.NewStaff()
	testkit.Must(t, h.App.Add(context.Background(), "acme", other.URL("portico_app")))
	gone := other.NewOrg(t)
	for id, org := range map[string]string{"1": "00000000-0000-0000-0000-000000000000", "2": gone.UUID.String()} {
		other.Exec(t, `
			INSERT INTO job (org_id, id, due_at, status, queue, kind, args, error_code)
			VALUES ($2, ('00000000-0000-0000-0000-00000000000' || $1::text)::uuid, portico_now() - interval '1 hour', 'dead', 'high', 'test.ours', '{}', 'error')`, id, org)
	}
	other.Exec(t, `INSERT INTO placement (org_id, state, database, until) VALUES ($1, 'left', 'home', 'infinity')`, [16]byte(gone.UUID))
	made := staff.Make("/v1/staff/job-redrives", `{"filter":{}}`)
	for range 3 {
		h.DoJobs()
		h.Advance(t, time.Second)
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/job-redrives/"+made, ""), `200 "status":"succeeded" "done":1 "total":1`)
	if got := testkit.Value[string](t, other, `SELECT string_agg(status, ' ' ORDER BY id) FROM job`); got != "pending dead" {
		t.Errorf("the platform's job and that of the organization are %s", got)
	}
}

// A redrive leaves out an organization that is moving or closed, and a job that is
// locked, and says how many jobs these are. The others are redriven.
func TestRedriveLeavesOut(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff := h.NewStaff()
	moving, closed, locked, acme := h.Organization("Moving"), h.Organization("Closed"), h.Organization("Locked"), h.Organization("Acme")
	for range 2 {
		moving.NewJob(apitest.Hidden, "bad")
	}
	for _, c := range []apitest.Caller{closed, locked, acme} {
		c.NewJob(apitest.Hidden, "bad")
	}
	h.DoJobs()
	h.Place(t, moving.Org, "leaving", "acme")
	h.Exec(`UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, [16]byte(closed.Org.UUID))
	testkit.Exec(t, testkit.Session(t, h.Admin.Config()), `BEGIN; SELECT FROM job WHERE org_id = '`+locked.Org.UUID.String()+`' FOR UPDATE`)

	made := staff.Make("/v1/staff/job-redrives", `{"filter":{}}`)
	for range 3 {
		h.DoJobs()
		h.Advance(t, time.Second)
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/job-redrives/"+made, ""), `200 "status":"succeeded" "done":1 "total":5 "note":"4 left out: `)
	if got := testkit.Value[string](t, h.Database, `SELECT string_agg(o.name || ' ' || (j.tries->-2->'redriven_at' IS NOT NULL OR j.status <> 'dead'), ', ' ORDER BY o.name)
		FROM job j JOIN organization o ON o.id = j.org_id`); got != "Acme true, Closed false, Locked false, Moving false, Moving false" {
		t.Errorf("redriven: %s", got)
	}
}
