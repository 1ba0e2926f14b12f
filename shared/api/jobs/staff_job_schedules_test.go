package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/job/schedule"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Staff see schedules, change, pause, run and reset them. What is wrong is refused, and
// the field is named.
func TestStaffSchedules(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	declared := `"cron":"0 3 * * *" "timezone":"UTC" "catch_up":"one" "args":{"name":"x"} "enabled":true "origin":"code"`
	big := `{"args":{"name":"` + strings.Repeat("x", job.MaxArgs) + `"}}`

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", "", "", staff, `200 "name":"tidy" ` + declared + ` T03:00:00.000000Z "databases":[{"name":"home","status":"current","next_at":"2 "last_fired_at":null`},
		{"list as a customer", "GET", "", "", acme, `403 staff_only`},
		{"get", "GET", "/tidy", "", staff, `200 "kind":"test.ours" ` + declared},
		{"get a missing one", "GET", "/missing", "", staff, `404 job_schedule_not_found`},
		{"get one with another form of name", "GET", "/A", "", staff, `422 path.name`},
		{"change nothing", "PATCH", "/tidy", `{}`, staff, `200 "origin":"code"`},
		{"change as a customer", "PATCH", "/tidy", `{}`, acme, `403 staff_only`},
		{"change a missing one", "PATCH", "/missing", `{"enabled":false}`, staff, `404 job_schedule_not_found`},
		{"a cron of another form", "PATCH", "/tidy", `{"cron":"often"}`, staff, `422 body.cron`},
		{"a cron with a word", "PATCH", "/tidy", `{"cron":"30 2 * * *we_"}`, staff, `422 body.cron *we_ !strconv`},
		{"a cron that never comes", "PATCH", "/tidy", `{"cron":"0 0 31 2 *"}`, staff, `422 body.cron`},
		{"a cron with U+0000", "PATCH", "/tidy", `{"cron":"\u0000 * * * *"}`, staff, `422 body.cron`},
		{"a zone that is none", "PATCH", "/tidy", `{"timezone":"Mars"}`, staff, `422 body.timezone`},
		{"a zone with U+0000", "PATCH", "/tidy", `{"timezone":"\u0000"}`, staff, `422 body.timezone`},
		{"another catch-up", "PATCH", "/tidy", `{"catch_up":"some"}`, staff, `422 body.catch_up`},
		{"arguments of another shape", "PATCH", "/tidy", `{"args":{"nome":"x"}}`, staff, `422 body.args nome !json:`},
		{"arguments that are a list", "PATCH", "/tidy", `{"args":[1]}`, staff, `422 body.args`},
		{"arguments that are null", "PATCH", "/tidy", `{"args":null}`, staff, `422 body.args`},
		{"too many arguments", "PATCH", "/tidy", big, staff, `422 body.args 16384`},
		{"two wrong fields", "PATCH", "/tidy", `{"timezone":"Mars","args":{"nome":"x"}}`, staff, `422 body.timezone body.args`},
		{"another time", "PATCH", "/tidy", `{"cron":"30 2 * * *","timezone":"Europe/Berlin"}`, staff,
			`200 "cron":"30 2 * * *" "timezone":"Europe/Berlin" "origin":"panel" "declared":{"cron":"0 3 * * *" "updated_by":"staff_ :30:00.000000Z`},
		{"pause", "PATCH", "/tidy", `{"enabled":false}`, staff, `200 "enabled":false "next_times":[] "next_at":null`},
		{"run while it is paused", "POST", "/tidy/run", "", staff, `200 "enabled":false`},
		{"run as a customer", "POST", "/tidy/run", "", acme, `403 staff_only`},
		{"run a missing one", "POST", "/missing/run", "", staff, `404 job_schedule_not_found`},
		{"reset a missing one", "POST", "/missing/reset", "", staff, `404 job_schedule_not_found`},
		{"reset", "POST", "/tidy/reset", "", staff, `200 ` + declared},
		{"after all", "GET", "/tidy", "", staff, `200 ` + declared},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/staff/job-schedules"+tt.path, tt.body), tt.want)
		})
	}
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-schedules/tidy/run", "", "Portico-Organization", acme.Org.String()), `422 header.Portico-Organization`)
	if n := jobsOf(t, h.Database); n != 1 {
		t.Errorf("%d jobs, want the one of the run", n)
	}
	for range 2 { // a repeated request runs it once
		apitest.Want(t, staff.Do("POST", "/v1/staff/job-schedules/tidy/run", "", "Idempotency-Key", "k"), `200`)
	}
	if n := jobsOf(t, h.Database); n != 2 {
		t.Errorf("%d jobs, want one more", n)
	}
}

func jobsOf(t *testing.T, db *testkit.Database) int {
	t.Helper()
	return testkit.Value[int](t, db, `SELECT count(*) FROM job WHERE kind = 'test.ours' AND org_id = $1`, [16]byte{})
}

// A change is in the home database when its reply comes, and a job copies it to the
// others. The reply and the list say where it has not arrived; a database that is away
// does not prevent either.
func TestSchedulesInSeveralDatabases(t *testing.T) {
	t.Parallel()
	h, ctx := apitest.New(t), context.Background()
	acme, staff := testkit.DB(t), h.NewStaff()
	h.DeploySchedules(acme)
	testkit.Must(t, h.App.Add(ctx, "acme", acme.URL("portico_app")))
	kinds, err := job.NewRegistry(schedule.CopyKind(h.App), apitest.Ours)
	testkit.Must(t, err)
	runner := &job.Runner{DB: h.App, Worker: h.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: h.Clock, Log: observe.NewLog(h.Lines, "test"),
		Random: func() float64 { return 0 }}
	const path = "/v1/staff/job-schedules/tidy"
	want := func(status string) {
		t.Helper()
		apitest.Want(t, staff.Do("GET", path, ""), `200 {"name":"home","status":"current" {"name":"acme","status":"`+status+`"`)
	}
	want("current")
	acme.Exec(t, `REVOKE SELECT ON job_schedule FROM portico_app`)
	apitest.Want(t, staff.Do("PATCH", path, `{"cron":"0 4 * * *"}`), `200 "cron":"0 4 * * *" {"name":"acme","status":"behind"`)
	apitest.Want(t, staff.Do("POST", path+"/run", ""), `200 {"name":"acme","status":"behind"`)
	jobtest.Drain(t, runner)
	want("away")
	acme.Exec(t, `GRANT SELECT ON job_schedule TO portico_app`)
	want("behind")
	apitest.Want(t, staff.Do("PATCH", path, `{"cron":"0 4 * * *"}`), `200`) // a repetition
	h.Advance(t, time.Minute)
	jobtest.Drain(t, runner)
	want("current")
	if n, cron := jobsOf(t, acme), testkit.Value[string](t, acme, `SELECT cron FROM job_schedule`); n != 1 || cron != "0 4 * * *" {
		t.Errorf("acme has %d jobs and the cron %s", n, cron)
	}
}

// While everything sleeps, a change makes the next sweep find out when the schedule is
// due: an earlier time is not missed.
func TestChangedScheduleIsSwept(t *testing.T) {
	t.Parallel()
	h, ctx := apitest.New(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	due := claim.NewDue(client, table, string(job.High), pg.Home, h.Clock)
	job.Announce(h.App, job.High, pg.Databases[*claim.Waker]{pg.Home: {Queue: string(job.High), Database: pg.Home, Due: due, Nudge: h.Server.Wakers[pg.Home].Nudge}}, h.Clock, h.Server.Log)
	staff := h.NewStaff()
	for _, request := range [][2]string{{"PATCH", `{"enabled":false}`}, {"PATCH", `{"enabled":true}`}, {"PATCH", `{"cron":"* * * * *"}`}, {"reset", ""}} {
		item, err := due.Read(ctx)
		testkit.Must(t, err)
		_, err = due.Raise(ctx, item, time.Time{}) // nothing is due
		testkit.Must(t, err)
		h.Advance(t, time.Minute) // a program lowers it once in ten seconds
		method, path := request[0], "/v1/staff/job-schedules/tidy"
		if method == "reset" {
			method, path = "POST", path+"/reset"
		}
		apitest.Want(t, staff.Do(method, path, request[1]), `200`)
		if item, err := due.Read(ctx); err != nil || item.At.IsZero() || item.At.After(h.Clock.Now()) {
			t.Errorf("%v: due at %s, %v", request, item.At, err)
		}
	}
}
