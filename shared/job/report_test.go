package job_test

import (
	"context"
	"strings"
	"testing"

	"portico/shared/job"
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
