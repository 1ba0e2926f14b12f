package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// Customers redrive their own dead jobs of the kinds that are shown. What is wrong is
// refused with a reason.
func TestRedrives(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	dead, hidden, foreign := acme.NewJob(apitest.Export, "bad").String(), acme.NewJob(apitest.Hidden, "bad").String(), evil.NewJob(apitest.Export, "bad").String()
	h.DoJobs()
	made := acme.Make("/v1/job-redrives", `{"filter":{"kind":"test.export"}}`)
	ended := acme.Make("/v1/job-redrives", `{"filter":{}}`)
	theirs := evil.Make("/v1/job-redrives", `{"filter":{"fingerprint":"none"}}`)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"create", "POST", "", `{"filter":{"fingerprint":"x"},"per_second":3}`, acme,
			`201 "status":"pending" "fingerprint":"x" "per_second":3 "finished_at":null`},
		{"create without a filter", "POST", "", `{}`, acme, `422 body.filter`},
		{"create for a hidden kind", "POST", "", `{"filter":{"kind":"test.hidden"}}`, acme, `422 body.filter.kind`},
		{"create for redrives", "POST", "", `{"filter":{"kind":"job.redrive"}}`, acme, `422 body.filter.kind`},
		{"create for a kind that is none", "POST", "", `{"filter":{"kind":"x"}}`, acme, `422 body.filter.kind`},
		{"create for another organization", "POST", "", `{"filter":{"organization_id":"` + evil.Org.String() + `"}}`, acme, `422 body.filter.organization_id`},
		{"create too fast", "POST", "", `{"filter":{},"per_second":101}`, acme, `422 body.per_second`},
		{"create with U+0000", "POST", "", `{"filter":{"fingerprint":"\u0000"}}`, acme, `422 body.filter.fingerprint`},
		{"create for no time", "POST", "", `{"filter":{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}}`, acme, `422 body.filter.until`},
		{"create for a time that is none", "POST", "", `{"filter":{"since":"yesterday"}}`, acme, `422 body.filter.since`},
		{"create without permission", "POST", "", `{"filter":{}}`, acme.With(auth.JobsRead), `403 jobs:write`},
		{"list", "GET", "", "", acme, `200 ` + made + ` ` + ended + ` !` + theirs},
		{"list by pages", "GET", "?limit=1", "", acme, `200 "next":"`},
		{"list a status that is none", "GET", "?status=x", "", acme, `422 query.status`},
		{"list after junk", "GET", "?after=x", "", acme, `422 query.after`},
		{"list without permission", "GET", "", "", acme.With(auth.EventsRead), `403 jobs:read`},
		{"get", "GET", "/" + made, "", acme, `200 "kind":"test.export" "per_second":10 "done":0`},
		{"get another organization's", "GET", "/" + theirs, "", acme, `404 job_not_found`},
		{"get a job that is no redrive", "GET", "/" + dead, "", acme, `404 job_not_found`},
		{"get a malformed id", "GET", "/1", "", acme, `422 path.id`},
		{"cancel another organization's", "POST", "/" + theirs + "/cancel", "", acme, `404 job_not_found`},
		{"cancel a job that is no redrive", "POST", "/" + dead + "/cancel", "", acme, `404 job_not_found`},
		{"cancel", "POST", "/" + ended + "/cancel", "", acme, `200 "status":"cancelled"`},
		{"cancel again", "POST", "/" + ended + "/cancel", "", acme, `409 job_finished`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/job-redrives"+tt.path, tt.body), tt.want) })
	}
	h.DoJobs()
	apitest.Want(t, acme.Do("GET", "/v1/job-redrives/"+made, ""), `200 "status":"succeeded" "done":1 "total":1`)
	apitest.Want(t, acme.Do("GET", "/v1/jobs/"+dead, ""), `200 "status":"pending"`)
	apitest.Want(t, acme.Do("GET", "/v1/job-redrives?status=succeeded", ""), `200 `+made)
	apitest.Want(t, h.NewStaff().Do("GET", "/v1/staff/jobs?status=dead", ""), `200 `+hidden+` `+foreign+` !`+dead)
}

// A redrive keeps its rate, and leaves jobs that die after it was asked for.
func TestRedriveKeepsItsRate(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for range 5 {
		acme.NewJob(apitest.Export, "bad")
	}
	h.DoJobs()
	made := acme.Make("/v1/job-redrives", `{"filter":{},"per_second":2}`)
	acme.NewJob(apitest.Export, "bad") // it dies after the redrive was asked for
	var done []string
	for range 4 {
		h.Advance(t, time.Second)
		h.DoJobs() // those that were redriven before die again first
		done = append(done, testkit.Value[string](t, h.Database, `SELECT coalesce(
			(SELECT progress_done::text || '/' || progress_total FROM job WHERE kind = 'job.redrive'),
			(SELECT progress_done::text || '/' || progress_total || ' ' || outcome FROM job_log WHERE kind = 'job.redrive'))`))
	}
	if got := fmt.Sprint(done); !strings.HasPrefix(got, "[2/5 4/5 5/5 succeeded ") {
		t.Errorf("the redrive %s had done %s", made, got)
	}
	h.DoJobs()
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM job WHERE status = 'dead' AND jsonb_array_length(tries) = 2`); n != 5 {
		t.Errorf("%d jobs were tried twice, want 5", n)
	}
}
