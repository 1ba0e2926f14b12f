package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/job"
)

// process is a function as the stack's page lists it.
type process struct {
	Name        string
	PIDs        []int
	Invocations int
}

func (b *bed) function(ctx context.Context, name string) (process, error) {
	reply, err := b.Call(ctx, "GET", "/_local/functions")
	if err != nil {
		return process{}, err
	}
	var all []process
	if err := json.Unmarshal(reply, &all); err != nil {
		return process{}, err
	}
	for _, f := range all {
		if f.Name == name {
			return f, nil
		}
	}
	return process{}, fmt.Errorf("the stack has no function %s", name)
}

// pids returns the processes of a function.
func (b *bed) pids(ctx context.Context, name string) ([]int, error) {
	f, err := b.function(ctx, name)
	return f.PIDs, err
}

func (b *bed) invocations(ctx context.Context, name string) (int, error) {
	f, err := b.function(ctx, name)
	return f.Invocations, err
}

// measureKilled kills every runner with SIGKILL in the middle of a drain, and adds
// nothing more: so only the sweep notices. A job is counted twice if its handler ran
// again, because its result was not yet recorded.
func (b *bed) measureKilled(ctx context.Context) error {
	n := 100_000
	if b.Short {
		n = 20_000
	}
	b.Progress("SIGKILL of all runners in the middle of a drain of %d …", n)
	if err := b.awaitSleep(ctx); err != nil {
		return err
	}
	b.ran.take()
	if err := b.backlog(ctx, kinds.Mark, n, kinds.Args{}); err != nil {
		return err
	}
	if err := b.wakers[job.High].Wake(ctx); err != nil {
		return err
	}
	for b.ran.count() < n/3 {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	pids, err := b.pids(ctx, "portico-jobs-high")
	if err != nil {
		return err
	}
	killed := 0
	for _, pid := range pids {
		if b.Kill(pid) {
			killed++
		}
	}
	at, before := time.Now(), b.ran.count()
	if before >= n || killed == 0 {
		return fmt.Errorf("%d runners were killed after %d of %d jobs: there was no middle of the drain", killed, before, n)
	}
	if err := b.awaitDone(ctx, job.High, 5*time.Minute); err != nil {
		return err
	}
	took := time.Since(at)
	first, all := b.ran.take()
	b.Add("SIGKILL of all runners in mid-drain: done after", "≤ 45 s", budget.Judge(took <= 45*time.Second && len(first) == n), "%.1f s (%d killed when %d of %d had run; %d ran twice, %d never)",
		took.Seconds(), killed, before, n, len(all)-len(first), n-len(first))
	return nil
}

// measureThrottle measures the rate of a kind with a throttle of 100/s while four
// runners compete for it.
func (b *bed) measureThrottle(ctx context.Context) error {
	last := 20 * time.Second
	if b.Short {
		last = 5 * time.Second
	}
	b.Progress("a throttle of %.0f/s with four runners …", kinds.Throttle.PerSecond)
	if err := b.awaitSleep(ctx); err != nil {
		return err
	}
	b.ran.take()
	if err := b.backlog(ctx, kinds.Paced, int(kinds.Throttle.PerSecond*(last.Seconds()+8)), kinds.Args{}); err != nil {
		return err
	}
	began := time.Now()
	from, to := began.Add(3*time.Second), began.Add(3*time.Second+last)
	most := 0
	for time.Now().Before(to) {
		// Helpers sleep when they find nothing that is overdue: these nudges keep them awake.
		if err := b.wakers[job.High].Wake(ctx); err != nil {
			return err
		}
		var awake int
		if err := b.DB.QueryRow(ctx, `SELECT count(*)::int FROM dispatcher WHERE queue = 'high' AND awake_until > portico_now()`).Scan(&awake); err != nil {
			return err
		}
		most = max(most, awake)
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
	if err := b.awaitDone(ctx, job.High, time.Minute); err != nil {
		return err
	}
	first, _ := b.ran.take()
	count, by := 0, map[int]bool{}
	for _, ran := range first {
		if !ran.At.Before(from) && ran.At.Before(to) {
			count++
			by[ran.PID] = true
		}
	}
	rate := float64(count) / last.Seconds()
	b.Add("throttle of 100/s, four runners", "97 – 100/s", budget.Judge(rate >= 97 && rate <= 100.5), "%.1f/s over %s (up to %d runners awake; jobs ran in %d)", rate, last, most, len(by))
	return nil
}
