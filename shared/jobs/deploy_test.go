package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/claim"
	"portico/shared/dynamo"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// releases starts programs of several releases over one database.
type releases struct {
	*testkit.Database
	t      *testing.T
	client *dynamodb.Client
	table  string
}

func newReleases(t *testing.T) *releases {
	t.Helper()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	return &releases{testkit.DB(t), t, client, table}
}

// start returns a new program of a release that declares one schedule, whose time
// is the given one. A client of nil is the usual one.
func (r *releases) start(release int64, cron string, client *dynamodb.Client) *jobs.Deployment {
	r.t.Helper()
	if client == nil {
		client = r.client
	}
	kinds, err := job.NewRegistry(renamingAll)
	testkit.Must(r.t, err)
	return &jobs.Deployment{
		DB: r.Worker, Database: pg.Home, Kinds: kinds, Release: release, Clock: r.Clock, Table: dynamo.NewTable(client, r.table, "id"),
		Dues: map[job.Queue]*claim.Due{job.Bulk: claim.NewDue(client, r.table, string(job.Bulk), pg.Home, r.Clock)},
		Schedules: []schedule.Declaration{{Name: "tidy", Queue: job.Bulk, Kind: renamingAll.Name, Setting: schedule.Setting{
			Cron: cron, Timezone: "UTC", CatchUp: schedule.One, Args: []byte("{}"),
		}}},
	}
}

// renamingAll is a kind of the platform.
var renamingAll = job.Kind[struct{}]{Name: "test.rename_all", Queue: job.Bulk, Platform: true, Work: job.InTx(
	func(context.Context, pg.Tx, job.Job, struct{}) error { return nil })}

// ensure is the beginning of a sweep.
func (r *releases) ensure(d *jobs.Deployment) {
	r.t.Helper()
	testkit.Must(r.t, d.Ensure(context.Background()))
}

// expect compares the time of the schedule that the database has.
func (r *releases) expect(when, want string) {
	r.t.Helper()
	if got := testkit.Value[string](r.t, r.Database, `SELECT coalesce(min(cron), 'none') FROM job_schedule`); got != want {
		r.t.Errorf("%s: the schedule is %s, want %s", when, got, want)
	}
}

const (
	nightly = "0 3 * * *"
	weekly  = "0 3 * * 0"
)

// Schedules are deployed once: programs that start later do not ask the database.
// A new version of the declarations is deployed.
func TestSchedulesAreDeployedOnce(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	first := r.start(1, nightly, nil)
	r.ensure(first)
	r.expect("after the first start", nightly)
	r.Exec(t, `DELETE FROM job_schedule`)
	r.ensure(first)
	r.ensure(r.start(1, nightly, nil))
	r.ensure(r.start(2, nightly, nil)) // other code, the same declarations
	r.Advance(t, time.Hour)
	r.ensure(first)
	r.expect("after more starts", "none")
	r.ensure(r.start(3, weekly, nil))
	r.expect("after a change", weekly)
}

// While a deployment shifts traffic, a program of the old release that starts after
// one of the new release leaves the new schedules. If the new release is taken back,
// and so has not run for an hour, the old one deploys its own again.
func TestOldReleaseLeavesNewSchedules(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	old := r.start(1, nightly, nil)
	r.ensure(old)
	changed := r.start(2, weekly, nil)
	r.ensure(changed)
	r.ensure(r.start(1, nightly, nil))
	for range 8 { // two hours
		r.Advance(t, 16*time.Minute)
		r.ensure(changed)
		r.ensure(old)
	}
	r.expect("while both run", weekly)
	r.Advance(t, 50*time.Minute)
	r.ensure(old)
	r.expect("soon after the new release ran last", weekly)
	r.Advance(t, 20*time.Minute)
	r.ensure(old)
	r.expect("an hour after the new release ran last", nightly)
	r.ensure(r.start(3, weekly, nil))
	r.expect("after the next deployment", weekly)
}

// A program of the old release that stops in the middle of its deployment, while a
// new one deploys, goes on without harm.
func TestSlowOldReleaseLeavesNewSchedules(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	var newer *jobs.Deployment
	client := testkit.DynamoDBThrough(t, testkit.DynamoDBEndpoint(t), func(call, body string) bool {
		if call == "UpdateItem" && strings.Contains(body, `"bulk"`) && newer == nil { // the due item: its release is noted
			newer = r.start(2, weekly, nil)
			r.ensure(newer)
		}
		return false
	})
	r.ensure(r.start(1, nightly, client))
	if newer == nil {
		t.Fatal("the old release was never in the middle")
	}
	r.expect("after both", weekly)
	r.ensure(r.start(2, weekly, nil))
	r.expect("after another start", weekly)
}

// A program that dies in the middle of its deployment leaves it to the next one, also
// if that is of an older release's declarations.
func TestDeploymentIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	r.ensure(r.start(1, nightly, nil))
	dies := testkit.DynamoDBThrough(t, testkit.DynamoDBEndpoint(t), func(call, body string) bool {
		return call == "UpdateItem" && strings.Contains(body, "SET version") // after its commit
	})
	if err := r.start(2, weekly, dies).Ensure(context.Background()); err == nil {
		t.Fatal("a deployment succeeded without its last write")
	}
	r.expect("after the commit", weekly)
	r.ensure(r.start(3, nightly, nil)) // the same declarations as the first
	r.expect("after the next release", nightly)
}
