package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/id"
	"portico/shared/job"
)

// atRate adds jobs at fixed times, each in a transaction of its own, and returns when
// each was committed. Those of the time to warm up are left out.
func (b *bed) atRate(ctx context.Context, org id.Org, kind job.Kind[kinds.Args], rate int, warmup, last time.Duration) (*committed, error) {
	all := &committed{at: map[int]time.Time{}}
	every := time.Second / time.Duration(rate)
	var adding sync.WaitGroup
	var mu sync.Mutex
	var failed error
	began := time.Now()
	for i := 0; time.Duration(i)*every < warmup+last; i++ {
		due := began.Add(time.Duration(i) * every)
		if err := sleep(ctx, time.Until(due)); err != nil {
			return nil, err
		}
		adding.Go(func() {
			at, err := b.one(ctx, org, kind, i)
			if err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
			if due.Sub(began) >= warmup {
				all.put(i, at)
			}
		})
	}
	adding.Wait()
	return all, failed
}

// measurePickup measures the time from the return of a commit until the handler runs,
// at 100 jobs a second, by turns with River.
func (b *bed) measurePickup(ctx context.Context) error {
	const rate = 100
	turns, warmup, last := 3, time.Second, 6*time.Second
	if b.Short {
		turns, last = 1, 2*time.Second
	}
	var ours, theirs []time.Duration
	var ratios []float64
	for turn := range turns {
		b.Progress("commit → handler at %d/s, turn %d of %d …", rate, turn+1, turns)
		mine, err := b.pickupOnce(ctx, kinds.Mark, rate, warmup, last)
		if err != nil {
			return err
		}
		if ours = append(ours, mine...); b.river == nil {
			continue
		}
		r, err := b.river.measure(riverRequest{Do: "pickup", Rate: rate, Warmup: warmup, Last: last})
		if err != nil {
			return err
		}
		theirs = append(theirs, r.Latencies...)
		ratios = append(ratios, budget.Percentile(mine, 99)/budget.Percentile(r.Latencies, 99))
		b.Progress("  %s; River %s", budget.Percentiles(mine), budget.Percentiles(r.Latencies))
	}
	p99 := budget.Percentile(ours, 99)
	what := fmt.Sprintf("commit → handler at %d/s", rate)
	if b.river == nil {
		b.Add(what, "p99 ≤ 10 ms and ≤ River's", budget.Judge(p99 <= 10), "%s", budget.Percentiles(ours))
	} else {
		b.Add(what, "p99 ≤ 10 ms and ≤ River's", budget.Judge(p99 <= 10 && budget.Median(ratios) <= 1), "%s; River %s; ratio of p99 %.2f (%s)",
			budget.Percentiles(ours), budget.Percentiles(theirs), budget.Median(ratios), budget.Span(ratios))
	}
	return nil
}

func (b *bed) pickupOnce(ctx context.Context, kind job.Kind[kinds.Args], rate int, warmup, last time.Duration) ([]time.Duration, error) {
	b.ran.take()
	all, err := b.atRate(ctx, b.org, kind, rate, warmup, last)
	if err != nil {
		return nil, err
	}
	if err := b.awaitDone(ctx, kind.Queue, 30*time.Second); err != nil {
		return nil, err
	}
	if err := b.awaitSleep(ctx); err != nil {
		return nil, err
	}
	first, ran := b.ran.take()
	latencies, left := all.latencies(first)
	if left > 0 || len(ran) != len(first) {
		return nil, fmt.Errorf("%d of %d jobs have not run, and %d ran twice", left, len(all.at), len(ran)-len(first))
	}
	return latencies, nil
}
