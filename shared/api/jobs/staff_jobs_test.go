package jobs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/api/apitest"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Staff list the jobs of all organizations and of the platform, and redrive, drop and
// cancel them. Whatever is wrong is refused with a reason.
func TestStaffJobs(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	ours := platformJob(h)
	dead, dropped, done := acme.NewJob(apitest.Hidden, "bad").String(), evil.NewJob(apitest.Export, "bad").String(), evil.NewJob(apitest.Export, "good").String()
	h.DoJobs()
	waits := acme.NewJob(apitest.Hidden, "good").String()
	acmeOnly, evilOnly := acme.Org.String(), evil.Org.String()
	big := strings.Repeat("x", job.MaxArgs)

	for _, tt := range []struct {
		name, method, path, org, body string
		as                            apitest.Caller
		want                          string
	}{
		{"list", "GET", "jobs", "", "", staff, `200 ` + waits + ` ` + dead + ` ` + dropped + ` ` + ours + ` !` + done + ` "organization_id":null "name is bad`},
		{"list dead", "GET", "jobs?status=dead", "", "", staff, `200 ` + dead + ` ` + dropped + ` ` + ours + ` !` + waits},
		{"list a kind", "GET", "jobs?kind=test.export", "", "", staff, `200 ` + dropped + ` !` + waits},
		{"list a kind that is none", "GET", "jobs?kind=x", "", "", staff, `422 query.kind`},
		{"list an organization", "GET", "jobs?organization_id=" + acmeOnly, "", "", staff, `200 ` + dead + ` !` + dropped + ` !` + ours},
		{"list another fingerprint", "GET", "jobs?fingerprint=x", "", "", staff, `200 "data":[]`},
		{"list by pages", "GET", "jobs?limit=1", "", "", staff, `200 ` + dropped + ` "next":"`},
		{"list finished", "GET", "jobs?status=succeeded", "", "", staff, `200 ` + done + ` "finished_at":"20 !` + waits},
		{"list finished of another organization", "GET", "jobs?status=succeeded&organization_id=" + acmeOnly, "", "", staff, `200 "data":[]`},
		{"list finished of a kind", "GET", "jobs?status=succeeded&kind=test.hidden", "", "", staff, `200 "data":[]`},
		{"list a queue", "GET", "jobs?queue=high", "", "", staff, `200 ` + waits},
		{"list another queue", "GET", "jobs?queue=bulk", "", "", staff, `200 "data":[]`},
		{"list a queue that is none", "GET", "jobs?queue=x", "", "", staff, `422 query.queue`},
		{"list since a time to come", "GET", "jobs?since=2999-01-01T00:00:00Z", "", "", staff, `200 "data":[]`},
		{"list until a time to come", "GET", "jobs?until=2999-01-01T00:00:00Z", "", "", staff, `200 ` + waits},
		{"list since a word", "GET", "jobs?since=yesterday", "", "", staff, `422 query.since`},
		{"list after junk", "GET", "jobs?after=x", "", "", staff, `422 query.after`},
		{"list as a customer", "GET", "jobs", "", "", acme, `403 staff_only`},
		{"dead", "GET", "dead-jobs", "", "", staff, `200 "kind":"test.export" "kind":"test.hidden" "kind":"test.ours" "jobs":1 "organizations":1 ` + dead},
		{"dead, in time", "GET", "dead-jobs", "", "", staff, `200 "first_at":"20 "last_at":"20 "next":null`},
		{"dead after junk", "GET", "dead-jobs?after=x", "", "", staff, `422 query.after`},
		{"dead of an organization", "GET", "dead-jobs?organization_id=" + evilOnly, "", "", staff, `200 "kind":"test.export" !test.hidden`},
		{"dead of a kind that is none", "GET", "dead-jobs?kind=x", "", "", staff, `422 query.kind`},
		{"dead as a customer", "GET", "dead-jobs", "", "", acme, `403 staff_only`},
		{"get", "GET", "jobs/" + dead, acmeOnly, "", staff,
			`200 "status":"dead" "args":{"name":"bad"} "organization_id":"` + acmeOnly + `" "tries":[{"at":"20 "error":"the name is bad","redriven_at":null}] "reason":null`},
		{"get the platform's", "GET", "jobs/" + ours, "", "", staff, `200 "kind":"test.ours" "organization_id":null "error":"the name is bad"`},
		{"get a finished one", "GET", "jobs/" + done, evilOnly, "", staff, `200 "status":"succeeded" "finished_at":"20 "tries":[]`},
		{"get in another organization", "GET", "jobs/" + dead, evilOnly, "", staff, `404 job_not_found`},
		{"get in none", "GET", "jobs/" + dead, "", "", staff, `404 job_not_found`},
		{"get a missing one", "GET", "jobs/" + missing, acmeOnly, "", staff, `404 job_not_found`},
		{"get in an organization that is missing", "GET", "jobs/" + dead, "org_01890000000000000000000000", "", staff, `404 organization_not_found`},
		{"get a malformed id", "GET", "jobs/1", acmeOnly, "", staff, `422 path.id`},
		{"get as a customer", "GET", "jobs/" + dead, "", "", acme, `403 staff_only`},
		{"redrive as a customer", "POST", "jobs/" + dead + "/redrive", "", `{}`, acme, `403 staff_only`},
		{"redrive in another organization", "POST", "jobs/" + dead + "/redrive", evilOnly, `{}`, staff, `404 job_not_found`},
		{"redrive in none", "POST", "jobs/" + dead + "/redrive", "", `{}`, staff, `404 job_not_found`},
		{"redrive in an organization that is missing", "POST", "jobs/" + dead + "/redrive", "org_01890000000000000000000000", `{}`, staff, `404 organization_not_found`},
		{"redrive in the platform by its id", "POST", "jobs/" + ours + "/redrive", "org_00000000000000000000000000", `{}`, staff, `422 header.Portico-Organization`},
		{"redrive with another shape", "POST", "jobs/" + dead + "/redrive", acmeOnly, `{"args":{"nome":"x"}}`, staff, `422 body.args nome !json:`},
		{"redrive with a list", "POST", "jobs/" + dead + "/redrive", acmeOnly, `{"args":[1]}`, staff, `422 body.args !json:`},
		{"redrive with too much", "POST", "jobs/" + dead + "/redrive", acmeOnly, `{"args":{"name":"` + big + `"}}`, staff, `422 body.args 16384`},
		{"redrive one that waits", "POST", "jobs/" + waits + "/redrive", acmeOnly, `{}`, staff, `409 job_not_dead`},
		{"redrive a finished one", "POST", "jobs/" + done + "/redrive", evilOnly, `{}`, staff, `409 job_finished`},
		{"redrive a malformed id", "POST", "jobs/1/redrive", acmeOnly, `{}`, staff, `422 path.id`},
		{"redrive", "POST", "jobs/" + dead + "/redrive", acmeOnly, `{"args":{"name":"better"}}`, staff, `200 "status":"pending" "attempts":0 "args":{"name":"better"}`},
		{"redrive the platform's", "POST", "jobs/" + ours + "/redrive", "", `{"args":{"name":"better"}}`, staff, `200 "status":"pending" "organization_id":null`},
		{"drop without a reason", "POST", "jobs/" + dropped + "/drop", evilOnly, `{}`, staff, `422 body.reason`},
		{"drop with U+0000", "POST", "jobs/" + dropped + "/drop", evilOnly, `{"reason":"\u0000"}`, staff, `422 body.reason`},
		{"drop one that waits", "POST", "jobs/" + waits + "/drop", acmeOnly, `{"reason":"r"}`, staff, `409 job_not_dead`},
		{"drop a finished one", "POST", "jobs/" + done + "/drop", evilOnly, `{"reason":"r"}`, staff, `409 job_finished`},
		{"cancel a dead one", "POST", "jobs/" + dropped + "/cancel", evilOnly, `{"reason":"r"}`, staff, `409 job_is_dead`},
		{"drop", "POST", "jobs/" + dropped + "/drop", evilOnly, `{"reason":"r"}`, staff, `200 "status":"dropped"`},
		{"drop in another organization", "POST", "jobs/" + waits + "/drop", evilOnly, `{"reason":"r"}`, staff, `404 job_not_found`},
		{"cancel the platform's", "POST", "jobs/" + ours + "/cancel", "", `{"reason":"r"}`, staff, `200 "status":"cancelled"`},
		{"cancel", "POST", "jobs/" + waits + "/cancel", acmeOnly, `{"reason":"r"}`, staff, `200 "status":"cancelled"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.org != "" {
				headers = []string{"Portico-Organization", tt.org}
			}
			apitest.Want(t, tt.as.Do(tt.method, "/v1/staff/"+tt.path, tt.body, headers...), tt.want)
		})
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs/"+dead, "", "Portico-Organization", acmeOnly), `200 "status":"pending" "error":"the name is bad","redriven_at":"20`)
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs/"+dropped, "", "Portico-Organization", evilOnly),
		`200 "status":"dropped" "reason":"r" "tries":[{"at":"20 "error":"the name is bad","redriven_at":null}]`)
	h.DoJobs()
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs", ""), `200 !`+dead)
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs/"+dead, "", "Portico-Organization", acmeOnly), `200 "status":"succeeded" "error":"the name is bad","redriven_at":"20`)
	apitest.Want(t, staff.Do("GET", "/v1/organizations", ""), `200 Acme !platform`)
	again := platformJob(h)
	for range 2 {
		r := staff.Do("POST", "/v1/staff/jobs/"+again+"/cancel", `{"reason":"r"}`, "Idempotency-Key", "k")
		apitest.Want(t, r, `200 "status":"cancelled"`)
	}
}

// A job of the platform is found in whichever database it is.
func TestPlatformJobsOfEveryDatabase(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	other, staff := testkit.DB(t), h.NewStaff()
	testkit.Must(t, h.App.Add(context.Background(), "acme", other.URL("portico_app")))
	first, second := platformJobIn(h, other.Worker), platformJobIn(h, other.Worker)
	other.Exec(t, `UPDATE job SET status = 'dead', error_code = 'error' WHERE id = $1`, [16]byte(first.UUID))
	const path = "/v1/staff/jobs/"
	apitest.Want(t, staff.Do("GET", "/v1/staff/jobs", ""), `200 `+first.String()+` `+second.String())
	apitest.Want(t, staff.Do("GET", path+first.String(), ""), `200 "status":"dead"`)
	apitest.Want(t, staff.Do("POST", path+first.String()+"/redrive", `{"args":{"name":"better"}}`), `200 "status":"pending" "args":{"name":"better"}`)
	apitest.Want(t, staff.Do("POST", path+first.String()+"/redrive", `{}`), `409 job_not_dead`)
	apitest.Want(t, staff.Do("POST", path+second.String()+"/cancel", `{"reason":"r"}`), `200 "status":"cancelled"`)
	apitest.Want(t, staff.Do("GET", path+missing, ""), `404 job_not_found`)
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log", ""), `200 `+first.String()+` "job.cancel"`)
	if got := testkit.Value[string](t, other, `SELECT string_agg(status || ' ' || args::text, ' ') FROM job`); got != `pending {"name":"better"}` {
		t.Errorf("in the other database is %s", got)
	}
}

// platformJob adds a job of the platform that fails.
func platformJob(h *apitest.Harness) string { return platformJobIn(h, h.Worker).String() }

func platformJobIn(h *apitest.Harness, db *pg.Worker) (made id.Job) {
	h.T.Helper()
	ctx := context.Background()
	testkit.Must(h.T, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) (err error) {
		made, err = job.Add(ctx, tx, id.Org{}, apitest.Ours, apitest.ExportArgs{Name: "bad"}, job.Options{})
		return err
	}))
	return made
}
