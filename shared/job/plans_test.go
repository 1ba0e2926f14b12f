package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A runner that has been awake since the table was empty keeps the plans that Postgres
// made then. When an organization adds a backlog, these plans must not read it.
func TestPlansOfAnEmptyTable(t *testing.T) {
	t.Parallel()
	const backlog = 5000
	wrong := job.Kind[note]{Name: "test.fail", Queue: job.High, Work: failing(errors.New("no luck")).Work}
	o, ctx := newOffice(t, writing, wrong), context.Background()
	lanes := []job.Lane{{OrgID: o.org, Kind: writing.Name}, {OrgID: o.org, Kind: wrong.Name}}
	session := o.OneSession(t)
	awake := o.runner(writing, wrong)
	awake.Worker = session
	use := func(r *job.Runner) (claimed []job.Claim) {
		_, _, err := r.Look(ctx, 0)
		testkit.Must(t, err)
		claimed, err = job.ClaimLanes(ctx, r, 10, lanes...)
		testkit.Must(t, err)
		testkit.Must(t, job.Renew(ctx, r, claimed))
		record(t, r, claimed)
		_, err = r.Next(ctx)
		testkit.Must(t, err)
		return claimed
	}

	// The session's plans are those of an empty table. The results are of jobs that are gone.
	add(o, writing, note{}, job.Options{})
	add(o, wrong, note{}, job.Options{})
	gone, err := job.ClaimLanes(ctx, o.r, 10, lanes...)
	testkit.Must(t, err)
	o.Exec(t, `DELETE FROM job`)
	o.Exec(t, `VACUUM (ANALYZE) job`)
	use(awake)
	testkit.Must(t, job.Renew(ctx, awake, gone))
	record(t, awake, gone)

	o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
		if _, err := job.AddAll(ctx, tx, o.org, writing, make([]job.New[note], backlog)); err != nil {
			return err
		}
		_, err := job.AddAll(ctx, tx, o.org, wrong, make([]job.New[note], 10))
		return err
	})
	before := o.RowsRead(t, session, "job")
	if claimed := use(awake); len(claimed) != 20 {
		t.Fatalf("%d jobs claimed, want 10 of each lane", len(claimed))
	}
	if read := o.RowsRead(t, session, "job") - before; read > 1000 {
		t.Errorf("20 jobs were claimed and recorded beside %d others, and for that %d rows were read", backlog, read)
	}
}

// record does claimed jobs, and records their results together.
func record(t *testing.T, r *job.Runner, claimed []job.Claim) {
	t.Helper()
	results := make([]job.Result, len(claimed))
	for i, c := range claimed {
		results[i] = r.Do(context.Background(), c)
	}
	_, err := r.Record(context.Background(), results, claim.Limits{Lock: time.Second})
	testkit.Must(t, err)
}
