package job_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A batch is one log line with metrics, and its jobs are counted by hour,
// organization and kind.
func TestReport(t *testing.T) {
	t.Parallel()
	o := newOffice(t, picky, writing)
	add(o, writing, note{"a"}, job.Options{})
	add(o, writing, note{"b"}, job.Options{})
	add(o, picky, note{"wrong"}, job.Options{})
	o.drain()
	if _, err := o.r.Next(context.Background()); err != nil { // what a runner does before it sleeps
		t.Fatal(err)
	}
	got := testkit.Value[string](t, o.Database, `SELECT string_agg(concat_ws(' ', kind, succeeded, failed, dead), ', ' ORDER BY kind) FROM job_stat WHERE org_id = $1`, o.org)
	if want := "test.picky 0 1 1, test.write 2 0 0"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	lines := o.logs.String()
	for _, want := range []string{`"JobsSucceeded":1`, `"JobsDead":1`, `"queue":"high"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("the log lacks %s:\n%s", want, lines)
		}
	}
}

// A log line has at most 100 values of a metric, however large the batch is.
func TestReportOfLargeBatch(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	const n = 250
	o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := job.AddAll(ctx, tx, o.org, writing, make([]job.New[note], n))
		return err
	})
	claims, err := job.ClaimLanes(ctx, o.r, n, job.Lane{OrgID: o.org, Kind: "test.write"})
	testkit.Must(t, err)
	var results []job.Result
	for _, c := range claims {
		results = append(results, o.r.Do(ctx, c))
	}
	_, err = o.r.Record(ctx, results, claim.Limits{})
	testkit.Must(t, err)
	for line := range strings.Lines(o.logs.String()) {
		var logged struct{ JobPickup []float64 }
		if strings.Contains(line, "jobs recorded") {
			testkit.Must(t, json.Unmarshal([]byte(line), &logged))
			if got := len(logged.JobPickup); got < 50 || got > 100 || len(results) != n {
				t.Errorf("%d values of %d jobs, want 50 to 100", got, len(results))
			}
			return
		}
	}
	t.Error("nothing was logged")
}
