package jobs

import (
	"context"
	"fmt"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/job"
)

// measureDrain measures how long one runner takes for 100,000 jobs that do nothing,
// from its wake-up until the last one is in job_log, by turns with River. It counts
// the statements of the roles with which the functions log in.
func (b *bed) measureDrain(ctx context.Context) error {
	n, turns := 100_000, 3
	if b.Short {
		n, turns = 20_000, 1
	}
	var ours, theirs, ratios, calls []float64
	for turn := range turns {
		b.Progress("drain of %d jobs, turn %d of %d …", n, turn+1, turns)
		took, statements, err := b.drainOnce(ctx, n)
		if err != nil {
			return err
		}
		ours, calls = append(ours, float64(n)/took.Seconds()), append(calls, statements/float64(n))
		if b.river == nil {
			continue
		}
		r, err := b.river.measure(riverRequest{Do: "drain", Jobs: n})
		if err != nil {
			return err
		}
		theirs = append(theirs, float64(n)/r.Took.Seconds())
		ratios = append(ratios, ours[turn]/theirs[turn])
		b.Progress("  %.0f/s, River %.0f/s", ours[turn], theirs[turn])
	}
	what := fmt.Sprintf("drain of %d no-op jobs by one process, finished rows kept; per second", n)
	if b.river == nil {
		b.Add(what, "≥ 1.0 × River", budget.None, "%.0f", budget.Median(ours))
	} else {
		b.Add(what, "≥ 1.0 × River", budget.Judge(budget.Median(ratios) >= 1), "%.0f; River %.0f; ratio %.2f (%s)", budget.Median(ours), budget.Median(theirs), budget.Median(ratios), budget.Span(ratios))
	}
	b.Add("statements per job in the drain", "≤ 0.06", budget.Judge(budget.Median(calls) <= 0.06), "%.3f", budget.Median(calls))
	return nil
}

func (b *bed) drainOnce(ctx context.Context, n int) (took time.Duration, statements float64, err error) {
	if err := b.awaitSleep(ctx); err != nil {
		return 0, 0, err
	}
	if err := b.backlog(ctx, kinds.Nothing, n, kinds.Args{}); err != nil {
		return 0, 0, err
	}
	before, err := b.statements(ctx)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := b.wakers[job.High].Wake(ctx); err != nil {
		return 0, 0, err
	}
	if err := b.awaitDone(ctx, job.High, 2*time.Minute); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	after, err := b.statements(ctx)
	if err != nil {
		return 0, 0, err
	}
	return took, after - before, b.awaitSleep(ctx)
}

// statements counts the statements that functions have sent to Postgres: each call of
// pg_stat_statements, BEGIN and COMMIT among them.
func (b *bed) statements(ctx context.Context) (n float64, err error) {
	err = b.DB.QueryRow(ctx, `
		SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
		WHERE r.rolname IN ('portico_app', 'portico_worker', 'portico_owner')`).Scan(&n)
	return n, err
}
