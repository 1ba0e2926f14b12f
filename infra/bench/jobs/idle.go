package jobs

import (
	"context"
	"fmt"
	"os"
	"time"
)

// measureIdle counts what the functions ask Postgres while there is nothing to do.
// Due times are raised by a sweep that finds them quiet for two minutes, so the clock
// is moved and a sweep is fired. The sweep runs every minute.
func (b *bed) measureIdle(last time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		b.Progress("idle for %s …", last)
		if err := b.awaitSleep(ctx); err != nil {
			return err
		}
		if _, err := b.Call(ctx, "POST", "/_local/clock?offset=5m"); err != nil {
			return err
		}
		for range 2 { // the second one proves that the first has raised the due times
			if _, err := b.Call(ctx, "POST", "/_local/schedules/SweeperFunction"); err != nil {
				return err
			}
			if err := b.awaitSleep(ctx); err != nil {
				return err
			}
		}
		before, err := b.asked(ctx)
		if err != nil {
			return err
		}
		sweeps, err := b.invocations(ctx, "portico-sweeper")
		if err != nil {
			return err
		}
		if err := sleep(ctx, last); err != nil {
			return err
		}
		after, err := b.asked(ctx)
		if err != nil {
			return err
		}
		swept, err := b.invocations(ctx, "portico-sweeper")
		if err != nil {
			return err
		}
		n := after - before
		b.add(fmt.Sprintf("statements of the stack in %s without work", last), "0", judge(n == 0 && swept > sweeps), "%.0f (%d sweeps ran)", n, swept-sweeps)
		return nil
	}
}

// asked counts the statements of everybody but the bench.
func (b *bed) asked(ctx context.Context) (n float64, err error) {
	err = b.DB.QueryRow(ctx, `
		SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
		WHERE r.rolname LIKE 'portico\_%' AND r.rolname <> current_user`).Scan(&n)
	return n, err
}

// Idle counts for three minutes what the stack asks Postgres while there is nothing to
// do: deliveries, jobs and mail wait for work, and the sweep runs.
func Idle(ctx context.Context, s Stack) error {
	b, err := newBed(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	last := 3 * time.Minute
	if b.Short {
		last = time.Minute
	}
	if err := b.measureIdle(last)(ctx); err != nil {
		return err
	}
	b.report(os.Stdout, "The idle stack")
	return nil
}
