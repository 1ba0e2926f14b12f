package jobs

import (
	"context"
	"slices"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/job"
	"portico/shared/pg"
)

// measureAdd measures what adding a job costs a transaction that does something else,
// while a runner is awake: each transaction with a job has one without it beside it.
// That it costs no round trip is what TestAddCostsNoRoundTrip counts.
func (b *bed) measureAdd(ctx context.Context) error {
	pairs := 2000
	if b.Short {
		pairs = 300
	}
	b.Progress("%d transactions with a job and without it …", pairs)
	if _, err := b.one(ctx, b.org, kinds.Nothing, 0); err != nil { // wakes a runner
		return err
	}
	if err := b.awaitDone(ctx, job.High, 30*time.Second); err != nil {
		return err
	}
	var without, with, more []time.Duration
	for i := range pairs {
		took := [2]time.Duration{}
		for _, n := range [][]int{{0, 1}, {1, 0}}[i%2] {
			var err error
			if took[n], err = b.touch(ctx, n); err != nil {
				return err
			}
		}
		if i < pairs/10 {
			continue // the statements are being prepared
		}
		without, with, more = append(without, took[0]), append(with, took[1]), append(more, took[1]-took[0])
	}
	slices.Sort(more)
	p50 := float64(more[len(more)/2].Microseconds()) / 1000
	b.Add("add in an existing transaction: more time", "≤ 0.2 ms p50", budget.Judge(p50 <= 0.2), "p50 %.2f ms (without it %s; with it %s)", p50, budget.Percentiles(without), budget.Percentiles(with))
	return nil
}

// touch runs a transaction of two round trips that adds n jobs.
func (b *bed) touch(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	err := b.app.InOrg(ctx, b.org, func(tx pg.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE organization SET updated_at = portico_now() WHERE id = $1`, b.org); err != nil {
			return err
		}
		for range n {
			if _, err := job.Add(ctx, tx, b.org, kinds.Nothing, kinds.Args{}, job.Options{}); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(began), err
}
