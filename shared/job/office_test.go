package job_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// note is a job's arguments in these tests: it writes a text.
type note struct {
	Text string `json:"text"`
}

// office is a runner with its database and an organization. Its jobs write rows of
// the table noted, which is behind no wall.
type office struct {
	*testkit.Database
	t    *testing.T
	r    *job.Runner
	org  id.Org
	logs *testkit.Log
}

func newOffice(t *testing.T, kinds ...job.Declared) *office {
	t.Helper()
	o := &office{Database: testkit.DB(t), t: t, logs: &testkit.Log{}}
	o.org = o.NewOrg(t)
	o.Exec(t, `CREATE TABLE noted (at serial, text text); GRANT ALL ON noted TO portico_app, portico_worker; GRANT ALL ON noted_at_seq TO portico_app, portico_worker`)
	o.r = o.runner(kinds...)
	return o
}

// runner returns another runner of the queue high.
func (o *office) runner(kinds ...job.Declared) *job.Runner {
	o.t.Helper()
	registry, err := job.NewRegistry(kinds...)
	testkit.Must(o.t, err)
	testkit.Must(o.t, registry.EnsureThrottles(context.Background(), o.Worker))
	return &job.Runner{
		DB: o.App, Worker: o.Worker, Database: pg.Home, Queue: job.High, Kinds: registry, Clock: o.Clock, Log: observe.NewLog(o.logs, "test"),
		Random: func() float64 { return 0 },
	}
}

// add adds a job for the organization and commits.
func add[A any](o *office, kind job.Kind[A], args A, opts job.Options) (jobID id.Job) {
	o.t.Helper()
	o.InOrg(o.t, o.org, func(ctx context.Context, tx pg.Tx) (err error) {
		jobID, err = job.Add(ctx, tx, o.org, kind, args, opts)
		return err
	})
	return jobID
}

// addPlatform adds a job of the platform and commits.
func addPlatform[A any](o *office, kind job.Kind[A], args A) {
	o.t.Helper()
	ctx := context.Background()
	testkit.Must(o.t, pgx.BeginFunc(ctx, o.Worker, func(tx pgx.Tx) error {
		_, err := job.Add(ctx, tx, id.Org{}, kind, args, job.Options{})
		return err
	}))
}

// claim leases up to ten due jobs of each lane.
func (o *office) claim(r *job.Runner) []job.Claim {
	o.t.Helper()
	ctx := context.Background()
	lanes, _, err := r.Look(ctx, 0)
	testkit.Must(o.t, err)
	claims, err := job.ClaimLanes(ctx, r, 10, lanes...)
	testkit.Must(o.t, err)
	return claims
}

// do does claimed jobs and records the results. It returns the outcomes.
func (o *office) do(r *job.Runner, claims ...job.Claim) (outcomes []string) {
	o.t.Helper()
	ctx := context.Background()
	for _, c := range claims {
		result := r.Do(ctx, c)
		_, err := r.Record(ctx, []job.Result{result}, claim.Limits{Lock: time.Second})
		testkit.Must(o.t, err)
		outcomes = append(outcomes, result.Outcome())
	}
	return outcomes
}

// drain does what is due until nothing is.
func (o *office) drain() {
	o.t.Helper()
	for range 1000 {
		claims := o.claim(o.r)
		if len(claims) == 0 {
			return
		}
		o.do(o.r, claims...)
	}
	o.t.Fatal("jobs are due again and again")
}

// noted returns the texts that jobs have written, in their order.
func (o *office) noted() []string {
	o.t.Helper()
	return testkit.Value[[]string](o.t, o.Database, `SELECT coalesce(array_agg(text ORDER BY at), '{}') FROM noted`)
}

// write is the effect of jobs in these tests.
func write(ctx context.Context, q pg.Querier, text string) error {
	return pg.Exec(ctx, q, "write", `INSERT INTO noted (text) VALUES ($1)`, text)
}

// state returns the status of a job that has not finished, or its outcome.
func (o *office) state(jobID id.Job) string {
	o.t.Helper()
	return testkit.Value[string](o.t, o.Database, `
		SELECT coalesce((SELECT CASE WHEN lease IS NULL THEN status ELSE 'leased' END FROM job WHERE id = $1), (SELECT outcome FROM job_log WHERE id = $1), 'missing')`, jobID)
}

// writing is a kind that writes its text in the transaction.
var writing = job.Kind[note]{Name: "test.write", Queue: job.High, Work: job.InTx(
	func(ctx context.Context, tx pg.Tx, _ job.Job, args note) error { return write(ctx, tx, args.Text) })}

// failing is a kind whose every try ends with an error.
func failing(err error) job.Kind[note] {
	return job.Kind[note]{Name: "test.fail", Queue: job.High, Work: job.InTx(
		func(ctx context.Context, tx pg.Tx, _ job.Job, args note) error {
			if failed := write(ctx, tx, args.Text); failed != nil {
				return failed
			}
			return err
		})}
}
