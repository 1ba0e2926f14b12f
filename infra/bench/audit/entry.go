package audit

import (
	"context"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
	"portico/shared/audit"
	"portico/shared/pg"
)

// measureEntry compares transactions that change a row with some that also record it,
// by turns, and says how much an entry takes.
func (b *bed) measureEntry(ctx context.Context) error {
	const turns = 6
	n := 1000
	if b.Short {
		n = 100
	}
	b.Progress("transactions with and without an entry …")
	var took [2][]time.Duration
	var used [2]cost.Work
	for turn := range turns {
		for _, with := range []int{turn % 2, 1 - turn%2} {
			list, work, err := b.change(ctx, n, with == 1)
			if err != nil {
				return err
			}
			took[with], used[with] = append(took[with], list...), used[with].Plus(work, 1)
		}
	}
	more := used[1].Plus(used[0], -1).Per(n * turns)
	b.one = b.one.Plus(more, 1)
	b.Add("an entry adds to a transaction, all sent with the commit", "", budget.None, "%.2f ms p50 (without it %s; with it %s)",
		budget.Percentile(took[1], 50)-budget.Percentile(took[0], 50), budget.Percentiles(took[0]), budget.Percentiles(took[1]))
	b.Add("… WAL", "", budget.None, "%.0f bytes, %.1f records, %.1f index entries", more[cost.Bytes], more[cost.Records], more[cost.Entries])
	return nil
}

// change runs transactions that change the organization.
func (b *bed) change(ctx context.Context, n int, record bool) (took []time.Duration, used cost.Work, err error) {
	mark, err := b.Meter.Begin(ctx)
	if err != nil {
		return nil, used, err
	}
	for i := range n {
		begin := time.Now()
		err := b.app.InOrg(ctx, b.org, func(tx pg.Tx) error {
			if err := pg.Exec(ctx, tx, "bench.change", `UPDATE organization SET name = $2 WHERE id = $1`, b.org, "Audited"); err != nil || !record {
				return err
			}
			return audit.Insert(ctx, tx, b.org, entry(i))
		})
		if err != nil {
			return nil, used, err
		}
		took = append(took, time.Since(begin))
	}
	mark.Stop()
	used, err = b.Meter.Finish(ctx, mark)
	return took, used, err
}
