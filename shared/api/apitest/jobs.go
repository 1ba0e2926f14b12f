package apitest

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/shared/audit/export"
	"portico/shared/audit/forget"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/erasure"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/redrive"
	"portico/shared/job/schedule"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook/recovery"
)

// ExportArgs are the arguments of the kinds of jobs in these tests.
type ExportArgs struct {
	Name string `json:"name"`
}

// The kinds of jobs in these tests. A job fails for good if its name is bad.
var (
	Export = job.Kind[ExportArgs]{Name: "test.export", Queue: job.High, Retry: job.Schedule{}, Visible: true, Work: job.InTx(doExport)}
	Hidden = job.Kind[ExportArgs]{Name: "test.hidden", Queue: job.High, Retry: job.Schedule{}, Work: job.InTx(doExport)}
	Ours   = job.Kind[ExportArgs]{Name: "test.ours", Queue: job.High, Retry: job.Schedule{}, Platform: true, Work: job.InTx(doExport)}
)

func doExport(_ context.Context, _ pg.Tx, _ job.Job, args ExportArgs) error {
	if args.Name == "bad" {
		return errors.New("the name is bad")
	}
	return nil
}

func kinds(t *testing.T, db *pg.DB, exports *bucket.Bucket) *job.Registry {
	t.Helper()
	registry, err := job.NewRegistry(Export, Hidden, Ours, redrive.Own, redrive.EverywhereKind(db), recovery.Kind, erasure.Kind, export.Kind(exports), forget.Kind)
	testkit.Must(t, err)
	return registry
}

// Tidy is the schedule that the harness has, without its database's copies.
var Tidy = schedule.Declaration{Name: "tidy", Queue: job.High, Kind: Ours.Name, Setting: schedule.Setting{
	Cron: "0 3 * * *", Timezone: "UTC", CatchUp: schedule.One, Args: []byte(`{"name":"x"}`)}}

// DeploySchedules deploys Tidy to a database.
func (h *Harness) DeploySchedules(db *testkit.Database) {
	h.T.Helper()
	testkit.Must(h.T, schedule.Deploy(context.Background(), db.Worker, h.Server.Jobs, []schedule.Declaration{Tidy}, nil, nil))
}

// NewJob adds a job of the organization.
func (c Caller) NewJob(kind job.Kind[ExportArgs], name string) (made id.Job) {
	c.T.Helper()
	c.InOrg(c.T, c.Org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = job.Add(ctx, tx, c.Org, kind, ExportArgs{Name: name}, job.Options{})
		return err
	})
	return made
}

// DoJobs does each job that is due, once.
func (h *Harness) DoJobs() {
	h.T.Helper()
	h.doJobs(job.High)
	h.doJobs(job.Bulk)
}

func (h *Harness) doJobs(queue job.Queue) {
	h.T.Helper()
	ctx := context.Background()
	r := &job.Runner{DB: h.App, Worker: h.Worker, Database: pg.Home, Queue: queue, Kinds: h.Server.Jobs, Clock: h.Clock, Log: observe.NewLog(h.Lines, "test")}
	lanes, _, err := r.Look(ctx, 0)
	testkit.Must(h.T, err)
	var turns []claim.Turn[job.Lane]
	for _, l := range lanes {
		turns = append(turns, claim.Turn[job.Lane]{Lane: l, Room: 10})
	}
	claims, err := r.Claim(ctx, turns)
	testkit.Must(h.T, err)
	for _, j := range claims {
		_, err := r.Record(ctx, []job.Result{r.Do(ctx, j)}, claim.Limits{Lock: time.Second})
		testkit.Must(h.T, err)
	}
}
