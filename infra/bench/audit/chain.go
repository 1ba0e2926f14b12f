package audit

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

// measureChain measures how fast a sequencer is, and how long entries wait for their
// place while many are written. The sequencer is one of bench's own; those of the stack
// sleep, because nobody tells them.
func (b *bed) measureChain(ctx context.Context) error {
	backlog, rate, last := 100_000, 1000, 20*time.Second
	if b.Short {
		backlog, last = 10_000, 3*time.Second
	}
	if err := b.chainAll(ctx, &chain.Sequencer{}); err != nil {
		return err
	}
	var chained cost.Work
	for _, gather := range []time.Duration{0, gather} {
		if err := b.awaitSleep(ctx); err != nil {
			return err
		}
		if err := b.write(ctx, backlog); err != nil {
			return err
		}
		mark, err := b.Meter.Begin(ctx)
		if err != nil {
			return err
		}
		if err := b.chainAll(ctx, &chain.Sequencer{Gather: gather}); err != nil {
			return err
		}
		mark.Stop()
		b.Add("entries that one sequencer chains, with pauses of "+gather.String(), "", budget.None, "%.0f/s", float64(backlog)/mark.Took.Seconds())
		if chained, err = b.Meter.Finish(ctx, mark); err != nil {
			return err
		}
	}
	chained = chained.Per(backlog)
	b.one = b.one.Plus(chained, 1)
	b.Add("… WAL for each", "", budget.None, "%.0f bytes", chained[cost.Bytes])
	if err := b.DB.QueryRow(ctx, entrySizeSQL).Scan(&b.size); err != nil {
		return err
	}
	b.Add("an entry with its place and all indexes", "", budget.None, "%.0f bytes", b.size)
	return b.measureWait(ctx, rate, last)
}

// gather is the pause of the deployed sequencer.
const gather = 100 * time.Millisecond

const entrySizeSQL = `
	SELECT sum(pg_total_relation_size(c.oid))::float8 / (SELECT count(*) FROM audit_entry) FROM pg_class c
	WHERE c.relkind IN ('r', 'p') AND c.relname ~ '^audit_(entry|target|chain)'`

// chainAll lets a sequencer work until nothing waits.
func (b *bed) chainAll(ctx context.Context, s *chain.Sequencer) error {
	s.Dispatcher = claim.Dispatcher{DB: b.worker, Clock: clock.New(0), Log: observe.NewLog(io.Discard, "bench")}
	for {
		passes, err := s.Claim(ctx, nil)
		if err != nil || len(passes) == 0 {
			return err
		}
		s.Do(ctx, passes[0])
	}
}

// awaitSleep waits until no sequencer of the stack is awake: it would chain what the bench
// wants to chain.
func (b *bed) awaitSleep(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	for {
		var awake bool
		if err := b.DB.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'portico_worker' AND state_change > clock_timestamp() - interval '5 seconds')`).Scan(&awake); err != nil || !awake {
			return err
		}
		if err := clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("a sequencer of the stack does not go to sleep, so the bench cannot measure one of its own: %w", err)
		}
	}
}

// write writes entries, many in a transaction.
func (b *bed) write(ctx context.Context, n int) error {
	const perTransaction = 500
	for first := 0; first < n; first += perTransaction {
		err := b.app.InOrg(ctx, b.org, func(tx pg.Tx) error {
			for i := range min(perTransaction, n-first) {
				if err := audit.Insert(ctx, tx, b.org, entry(first+i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	_, err := b.DB.Exec(ctx, `CHECKPOINT`)
	return err
}

// measureWait writes entries at a rate, each in a transaction of its own, while a
// sequencer works, and looks again and again how long the oldest one has waited.
func (b *bed) measureWait(ctx context.Context, rate int, last time.Duration) error {
	b.Progress("%d entries a second for %s …", rate, last)
	ctx, stop := context.WithTimeout(ctx, last)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			_ = b.chainAll(ctx, &chain.Sequencer{Gather: gather}) // it ends with the context
			_ = clock.Sleep(ctx, 10*time.Millisecond)
		}
	})
	var mu sync.Mutex
	var took []time.Duration
	for range sessions {
		running.Go(func() {
			b.writeAtRate(ctx, rate/sessions, func(d time.Duration) { mu.Lock(); took = append(took, d); mu.Unlock() })
		})
	}
	waited, err := b.watch(ctx)
	running.Wait()
	if err != nil {
		return err
	}
	b.Add("entries written in "+last.String(), "", budget.None, "%.0f/s, each transaction %s", float64(len(took))/last.Seconds(), budget.Percentiles(took))
	p99 := budget.Percentile(waited, 99)
	b.Add("… the oldest one waits for its place", "p99 ≤ 2 s", budget.Judge(p99 <= 2000), "%s (%d looks)", budget.Percentiles(waited), len(waited))
	return nil
}

// writeAtRate writes entries until the context ends.
func (b *bed) writeAtRate(ctx context.Context, perSecond int, took func(time.Duration)) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begin := time.Now()
		if err := b.app.InOrg(ctx, b.org, func(tx pg.Tx) error { return audit.Insert(ctx, tx, b.org, entry(i)) }); err == nil {
			took(time.Since(begin))
		}
	}
}

// watch returns how long the oldest entry that waits has waited, at many moments.
func (b *bed) watch(ctx context.Context) (waited []time.Duration, err error) {
	for ctx.Err() == nil {
		var seconds float64
		err := b.DB.QueryRow(context.WithoutCancel(ctx), `
			SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.created_at)), 0)::float8
			FROM audit_unchained u JOIN audit_entry e ON e.org_id = u.org_id AND e.id = u.entry_id`).Scan(&seconds)
		if err != nil {
			return nil, err
		}
		waited = append(waited, time.Duration(seconds*float64(time.Second)))
		_ = clock.Sleep(ctx, 20*time.Millisecond)
	}
	return waited, nil
}
