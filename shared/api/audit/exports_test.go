package audit_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// runJobs does the jobs of the queue bulk.
func runJobs(t *testing.T, h *apitest.Harness) {
	t.Helper()
	jobtest.Drain(t, &job.Runner{
		DB: h.App, Worker: h.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: h.Server.Jobs, Clock: h.Clock, Log: observe.NewLog(io.Discard, "test"),
	})
}

// An export is asked for, and read until there is a link, which works without a key. It
// has no secrets, and nobody else sees it. Wrong members are named.
func TestExport(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`,"custom_headers":{"X-Token":"s3cret-canary"}}`)
	apitest.Want(t, made, "201 ")
	created := acme.Do("POST", "/v1/audit-exports", `{"format":"ndjson"}`)
	apitest.Want(t, created, `201 "status":"running" "filtered":false "problem":null "total_count":null "url":null "head":null`)
	path := "/v1/audit-exports/" + created.Get(t, "id")
	sequence(t, h)
	runJobs(t, h)
	got := acme.Do("GET", path, "")
	apitest.Want(t, got, `200 "status":"succeeded" "first_number":1 "head":{"number": !"url":null`)
	reply, err := http.Get(got.Get(t, "url"))
	testkit.Must(t, err)
	defer reply.Body.Close()
	file, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK || !strings.Contains(string(file), made.Get(t, "id")) {
		t.Errorf("%s, %v: %s", reply.Status, err, file)
	}
	for _, canary := range []string{made.Get(t, "secret"), "s3cret-canary", "whsec_", acme.Key, "ptc_"} {
		if strings.Contains(string(file), canary) {
			t.Errorf("%.10s… is in the file", canary)
		}
	}
	next := acme.Do("GET", "/v1/audit-exports?limit=1", "")
	apitest.Want(t, next, `200 "status":"succeeded" "url":null "next":null`)
	running := acme.Do("POST", "/v1/audit-exports", `{"format":"csv","q":"ada","since":"2026-01-01T00:00:00Z"}`).Get(t, "id")
	cursor := acme.Do("GET", "/v1/audit-exports?limit=1", "").Get(t, "next")
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"an unknown format", "POST", "", `{"format":"xml"}`, acme, `422 body.format`},
		{"no format", "POST", "", `{}`, acme, `422 format`},
		{"the wrong way", "POST", "", `{"format":"csv","since":"2026-02-01T00:00:00Z","until":"2026-01-01T00:00:00Z"}`, acme, `422 body.since`},
		{"before 1970", "POST", "", `{"format":"csv","until":"1969-01-01T00:00:00Z"}`, acme, `422 body.until`},
		{"an action that is none", "POST", "", `{"format":"csv","action":"x"}`, acme, `422 body.action`},
		{"NUL", "POST", "", `{"format":"csv","q":"\u0000"}`, acme, `422 body.q`},
		{"10,000 characters", "POST", "", `{"format":"csv","q":"` + strings.Repeat("a", 10_000) + `"}`, acme, `422 body.q`},
		{"without the permission", "POST", "", `{"format":"csv"}`, acme.With(auth.EventsRead), `403 `},
		{"another organization's", "GET", strings.TrimPrefix(path, "/v1/audit-exports"), "", evil, `404 audit_export_not_found`},
		{"to cancel another organization's", "POST", "/" + running + "/cancel", "", evil, `404 audit_export_not_found`},
		{"a foreign cursor", "GET", "?after=" + cursor, "", evil, `422 query.after`},
		{"a foreign id", "GET", "/" + made.Get(t, "id"), "", acme, `422 path.id`},
		{"cancel", "POST", "/" + running + "/cancel", "", acme, `200 "status":"cancelled" "filtered":true`},
		{"cancel again", "POST", "/" + running + "/cancel", "", acme, `409 audit_export_finished`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/audit-exports"+tt.path, tt.body), tt.want)
		})
	}
	for range 5 {
		apitest.Want(t, acme.Do("POST", "/v1/audit-exports", `{"format":"csv"}`), "201 ")
	}
	apitest.Want(t, acme.Do("POST", "/v1/audit-exports", `{"format":"csv"}`), "409 too_many_audit_exports")
	h.Advance(t, 49*time.Hour)
	apitest.Want(t, acme.Do("GET", path, ""), `200 "status":"succeeded" "url":null`)
}
