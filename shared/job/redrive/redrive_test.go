package redrive_test

import (
	"context"
	"testing"

	"portico/shared/id"
	"portico/shared/job/redrive"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A redrive reads dead jobs of its organization and no others, however many wait.
func TestRedriveReadsLittle(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	org, other := d.NewOrg(t), d.NewOrg(t)
	for _, jobs := range []struct {
		org    id.Org
		status string
		n      int
	}{{org, "pending", 20_000}, {org, "dead", 30}, {other, "dead", 1000}} {
		d.Exec(t, `
			INSERT INTO job (org_id, id, due_at, status, queue, kind, args, error_code)
			SELECT $1, gen_random_uuid(), portico_now(), $2, 'high', 'test.write', '{}', 'error' FROM generate_series(1, $3)`, [16]byte(jobs.org.UUID), jobs.status, jobs.n)
	}
	d.Exec(t, `ANALYZE job`)
	d.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
		args, err := redrive.New(ctx, tx, redrive.Filter{}, 10)
		testkit.Must(t, err)
		testkit.Must(t, redrive.Find(ctx, tx, org, args))
		n, err := pg.Value[int](ctx, tx, "test", `SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables WHERE relname = 'job'`)
		if n < 60 || n > 70 {
			t.Errorf("%d rows are read, want those of 30 dead jobs, twice", n)
		}
		return err
	})
}
