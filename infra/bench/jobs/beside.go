package jobs

import (
	"context"
	"fmt"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/id"
	"portico/shared/job"
)

// hogTakes is how long each job of the organization with many takes.
const hogTakes = 100 * time.Millisecond

// measureBeside measures how long jobs of other organizations wait in the queue bulk
// beside one that has 100,000 there, and without it, with the product's settings. In
// River it is measured once, with its 500 workers.
func (b *bed) measureBeside(ctx context.Context) error {
	const rate = 50
	hogs, turns, last := 100_000, 3, 6*time.Second
	if b.Short {
		hogs, turns, last = 10_000, 1, 2*time.Second
	}
	var beside, without []time.Duration
	var ratios []float64
	for turn := range turns {
		b.Progress("beside an organization with %d jobs in bulk, turn %d of %d …", hogs, turn+1, turns)
		alone, err := b.besideOnce(ctx, 0, rate, last)
		if err != nil {
			return err
		}
		crowded, err := b.besideOnce(ctx, hogs, rate, last)
		if err != nil {
			return err
		}
		beside, without = append(beside, crowded...), append(without, alone...)
		ratios = append(ratios, budget.Percentile(crowded, 99)/budget.Percentile(alone, 99))
		b.Progress("  %s, without it %s", budget.Percentiles(crowded), budget.Percentiles(alone))
	}
	b.Add(fmt.Sprintf("others beside one organization with %d jobs of %s in bulk", hogs, hogTakes), "p99 ≤ 1.2 ×", budget.Judge(budget.Percentile(beside, 99) <= 1.2*budget.Percentile(without, 99)),
		"%s; without it %s; ratio of p99 %.2f, of the turns %s", budget.Percentiles(beside), budget.Percentiles(without), budget.Percentile(beside, 99)/budget.Percentile(without, 99), budget.Span(ratios))
	if b.river == nil {
		return nil
	}
	r, err := b.river.measure(riverRequest{Do: "neighbours", Jobs: hogs, Takes: hogTakes, Rate: rate, Warmup: time.Second, Last: last})
	if err != nil {
		return err
	}
	text := budget.Percentiles(r.Latencies)
	if r.Left > 0 {
		text = fmt.Sprintf("%d of %d had not begun a second after the last was added", r.Left, r.Left+len(r.Latencies))
	}
	b.Add("… in River, with 500 workers", "for comparison", budget.None, "%s", text)
	return nil
}

// besideOnce measures one organization's jobs, with so many jobs of another one in the
// queue, which are deleted at the end.
func (b *bed) besideOnce(ctx context.Context, hogs, rate int, last time.Duration) ([]time.Duration, error) {
	if err := b.awaitSleep(ctx); err != nil {
		return nil, err
	}
	other, err := b.newOrg(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.backlog(ctx, kinds.Hog, hogs, kinds.Args{Takes: hogTakes}); err != nil {
		return nil, err
	}
	if err := b.wakers[job.Bulk].Wake(ctx); err != nil {
		return nil, err
	}
	b.ran.take()
	all, err := b.atRate(ctx, other, kinds.Beside, rate, 3*time.Second, last)
	if err != nil {
		return nil, err
	}
	if err := b.awaitOrg(ctx, other); err != nil {
		return nil, err
	}
	if _, err := b.DB.Exec(ctx, `DELETE FROM job WHERE queue = 'bulk' AND lease IS NULL`); err != nil {
		return nil, err
	}
	first, _ := b.ran.take()
	latencies, left := all.latencies(first)
	if left > 0 {
		return nil, fmt.Errorf("%d of %d jobs have not run", left, len(all.at))
	}
	return latencies, b.awaitDone(ctx, job.Bulk, time.Minute)
}

// awaitOrg waits until an organization has no jobs.
func (b *bed) awaitOrg(ctx context.Context, org id.Org) error {
	for left, giveUp := true, time.Now().Add(time.Minute); left; {
		if err := b.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM job WHERE org_id = $1)`, org).Scan(&left); err != nil {
			return err
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("the jobs of %s are not done after a minute", org)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
