package job_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/testkit"
)

// many adds jobs with a status for an organization: before all others, or behind them.
func (o *office) many(org id.Org, status string, n int) {
	o.t.Helper()
	o.Exec(o.t, `
		INSERT INTO job (org_id, id, due_at, status, queue, kind, args, error_code, last_error, fingerprint)
		SELECT $1, gen_random_uuid(), portico_now(), $2, 'high', 'test.write', '{}', 'error', 'x', 'f' FROM generate_series(1, $3)`, [16]byte(org.UUID), status, n)
}

// readOf returns how many rows of a table a query reads.
func (o *office) readOf(table, query string, args ...any) int {
	o.t.Helper()
	read := func() int {
		return testkit.Value[int](o.t, o.Database, `SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables WHERE relname LIKE $1`, table)
	}
	o.Exec(o.t, `ANALYZE; BEGIN`)
	before := read()
	_, err := o.Admin.Exec(context.Background(), query, args...)
	testkit.Must(o.t, err)
	n := read() - before
	o.Exec(o.t, `COMMIT`)
	return n
}

// However many jobs there are, one page reads a bounded number of them, and of dead
// ones no others.
func TestStaffListsReadLittle(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	o.many(o.org, "pending", 20_000)
	o.many(id.Org{}, "dead", 20)
	o.many(o.org, "dead", 20)
	o.Exec(t, `
		INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, progress_note, request_id, args)
		SELECT org_id, uuid_floor(portico_now()), id, created_at, 0, 0, 0, 0, 'succeeded', queue, kind, '', '', args FROM job WHERE status = 'pending'`)
	const all = `'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000000'`
	jobs := `SELECT * FROM list_jobs(` + all + `, $1, '', '{}', '', NULL, NULL, 10, 1000)`
	for _, tt := range []struct {
		name, table, query string
		args               []any
		atMost             int
	}{
		{"those that run", "job", jobs, []any{"running"}, 1000 + 1},
		{"all", "job", jobs, []any{""}, 10 + 1 + 10},
		{"dead", "job", jobs, []any{"dead"}, 10 + 1 + 10},
		{"of a kind that has none", "job", `SELECT * FROM list_jobs(` + all + `, 'dead', '', '{x}', '', NULL, NULL, 10, 1000)`, nil, 40},
		{"cancelled", "job_log_%", `SELECT * FROM list_finished_jobs(` + all + `, 'cancelled', '', '{}', NULL, NULL, 10, 1000)`, nil, 1000 + 10},
		{"groups", "job", `SELECT * FROM list_dead_jobs(` + all + `, '{}', 1000)`, nil, 40 + 1},
		{"groups of a few", "job", `SELECT * FROM list_dead_jobs(` + all + `, '{}', 15)`, nil, 15 + 1},
	} {
		if n := o.readOf(tt.table, tt.query, tt.args...); n == 0 || n > tt.atMost {
			t.Errorf("%s: %d rows are read, want 1 to %d", tt.name, n, tt.atMost)
		}
	}
}

// All pages together have each job of every database once, also if a page finds
// nothing in what it reads.
func TestStaffListsByPages(t *testing.T) {
	t.Parallel()
	o, other, ctx := newOffice(t, writing), testkit.DB(t), context.Background()
	testkit.Must(t, o.App.Add(ctx, "acme", other.URL("portico_app")))
	o.many(o.org, "pending", 25_000)
	o.many(id.Org{}, "scheduled", 3)
	o.many(id.Org{}, "dead", 25_000)
	elsewhere := &office{Database: other, t: t}
	elsewhere.many(id.Org{}, "scheduled", 3)
	elsewhere.many(id.Org{}, "dead", 5)

	var got []string
	f, pages := job.StaffFilter{Filter: job.Filter{Status: job.Scheduled}}, 0
	for {
		pages++
		list, read, err := job.ListAll(ctx, o.App, f, 2)
		testkit.Must(t, err)
		for _, j := range list {
			got = append(got, j.ID.String())
		}
		if len(list) == 2 {
			read = &job.Place{Org: list[1].OrgID, ID: list[1].ID}
		}
		if read == nil {
			break
		}
		f.After = read
	}
	if all := slices.Compact(slices.Sorted(slices.Values(got))); len(all) != 6 || len(got) != 6 || pages < 5 {
		t.Errorf("%d pages have %v", pages, got)
	}

	var counts []int
	var after *job.GroupsPlace
	for {
		groups, read, err := job.ListGroups(ctx, o.App, job.Filter{}, after)
		testkit.Must(t, err)
		for _, g := range groups {
			counts = append(counts, g.Jobs)
		}
		if after = read; read == nil {
			break
		}
	}
	if fmt.Sprint(counts) != "[10000 10000 5005]" {
		t.Errorf("groups of %v jobs", counts)
	}
}
