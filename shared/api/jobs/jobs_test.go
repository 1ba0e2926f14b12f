package jobs_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/job"
	"portico/shared/testkit"
)

// missing is the id of a job that does not exist.
const missing = "job_01890000000000000000000000"

// Customers list, read and cancel their own jobs of the kinds that are shown, and
// no others.
func TestJobs(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	dead, done := acme.NewJob(apitest.Export, "bad").String(), acme.NewJob(apitest.Export, "good").String()
	h.DoJobs()
	waits, hidden := acme.NewJob(apitest.Export, "good").String(), acme.NewJob(apitest.Hidden, "good").String()
	foreign := evil.NewJob(apitest.Export, "good").String()

	for _, tt := range []struct {
		name, method, path string
		as                 apitest.Caller
		want               string
	}{
		{"list", "GET", "", acme, `200 ` + waits + ` ` + dead + ` !` + done + ` !` + hidden + ` !` + foreign},
		{"list finished", "GET", "?status=succeeded", acme, `200 ` + done + ` "finished_at":"20 !` + waits + ` !` + dead},
		{"list dead", "GET", "?status=dead", acme, `200 ` + dead + ` "status":"dead" "attempts":1 !` + waits},
		{"list a kind", "GET", "?kind=test.export", acme, `200 ` + waits},
		{"list a hidden kind", "GET", "?kind=test.hidden", acme, `200 "data":[]`},
		{"list a kind that is none", "GET", "?kind=x", acme, `200 "data":[]`},
		{"list a status that is none", "GET", "?status=lost", acme, `422 query.status`},
		{"list after junk", "GET", "?after=x", acme, `422 query.after`},
		{"list without permission", "GET", "", acme.With(auth.EventsRead), `403 jobs:read`},
		{"get", "GET", "/" + waits, acme, `200 "status":"pending" "tries":[] "progress":{"done":0,"total":null,"note":""} "due_at":"20 "finished_at":null`},
		{"get dead", "GET", "/" + dead, acme, `200 "status":"dead" "tries":[{"at":"20 "took_ms": "code":"` + ` !the_name`},
		{"get finished", "GET", "/" + done, acme, `200 "status":"succeeded" "due_at":null "tries":[]`},
		{"get hidden", "GET", "/" + hidden, acme, `404 job_not_found`},
		{"get another organization's", "GET", "/" + foreign, acme, `404 job_not_found`},
		{"get missing", "GET", "/" + missing, acme, `404 job_not_found`},
		{"get with a malformed id", "GET", "/1", acme, `422 path.id`},
		{"get without permission", "GET", "/" + waits, acme.With(auth.EventsRead), `403 jobs:read`},
		{"cancel without permission", "POST", "/" + waits + "/cancel", acme.With(auth.JobsRead), `403 jobs:write`},
		{"cancel hidden", "POST", "/" + hidden + "/cancel", acme, `404 job_not_found`},
		{"cancel another organization's", "POST", "/" + foreign + "/cancel", acme, `404 job_not_found`},
		{"cancel finished", "POST", "/" + done + "/cancel", acme, `409 job_finished`},
		{"cancel dead", "POST", "/" + dead + "/cancel", acme, `409 job_is_dead`},
		{"cancel", "POST", "/" + waits + "/cancel", acme, `200 "status":"cancelled"`},
		{"cancel again", "POST", "/" + waits + "/cancel", acme, `409 job_finished`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/jobs"+tt.path, ""), tt.want) })
	}
}

// All pages together have each job once.
func TestJobsByPages(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	want := map[string]bool{}
	for range 5 {
		want[acme.NewJob(apitest.Export, "good").String()] = true
	}
	for after, pages := "", 0; ; pages++ {
		r := acme.Do("GET", "/v1/jobs?limit=2"+after, "")
		for id := range want {
			if strings.Contains(r.Body, id) {
				delete(want, id)
			}
		}
		next := r.Get(t, "next")
		if next == "null" {
			if pages != 2 {
				t.Errorf("%d more pages, want 2", pages)
			}
			break
		}
		after = "&after=" + next
	}
	if len(want) != 0 {
		t.Errorf("no page has %v", want)
	}
}

// Without a kind that is shown, customers see no job at all.
func TestNoVisibleKinds(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	only, err := job.NewRegistry(apitest.Hidden)
	testkit.Must(t, err)
	h.Server.Jobs = only
	acme := h.Organization("Acme").Environment(apitest.Never)
	acme.NewJob(apitest.Hidden, "x")
	apitest.Want(t, acme.Do("GET", "/v1/jobs", ""), `200 "data":[]`)
}
