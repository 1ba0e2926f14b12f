package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"portico/infra/bench/budget"
)

// measureIdle counts what the functions ask Postgres while there is nothing to do.
// The sweep runs every minute.
func (b *bed) measureIdle(last time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		b.Progress("idle for %s …", last)
		if err := b.settle(ctx); err != nil {
			return err
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
		b.Add(fmt.Sprintf("statements of the stack in %s without work", last), "0", budget.Judge(n == 0 && swept > sweeps), "%.0f (%d sweeps ran)", n, swept-sweeps)
		return nil
	}
}

// settle waits until the stack has nothing left to do: no message is on its way, and a
// sweep asks nothing. Due times are raised by a sweep that finds them quiet for two
// minutes, so the clock is moved before each sweep. Schedules whose time comes by that
// run.
func (b *bed) settle(ctx context.Context) error {
	for sweeps := time.Duration(1); sweeps <= 20; sweeps++ {
		if _, err := b.Call(ctx, "POST", fmt.Sprintf("/_local/clock?offset=%s", sweeps*3*time.Minute)); err != nil {
			return err
		}
		if err := b.awaitMessages(ctx); err != nil {
			return err
		}
		before, err := b.asked(ctx)
		if err != nil {
			return err
		}
		if _, err := b.Call(ctx, "POST", "/_local/schedules/SweeperFunction"); err != nil {
			return err
		}
		if err := b.awaitSleep(ctx); err != nil {
			return err
		}
		waiting, err := b.messages(ctx)
		if err != nil {
			return err
		}
		if after, err := b.asked(ctx); err != nil || after == before && waiting == 0 {
			return err
		}
	}
	return errors.New("the stack does not come to rest")
}

// awaitMessages waits until the queues of jobs have no messages. Nudges are delayed by a
// minute at most.
func (b *bed) awaitMessages(ctx context.Context) error {
	for giveUp := time.Now().Add(2 * time.Minute); time.Now().Before(giveUp); {
		if n, err := b.messages(ctx); err != nil || n == 0 {
			return err
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the queues of jobs are not empty after two minutes")
}

// messages counts the messages of the queues of jobs, also those that arrive later.
func (b *bed) messages(ctx context.Context) (n int, err error) {
	for _, url := range []string{b.Env["HIGH_QUEUE_URL"], b.Env["BULK_QUEUE_URL"], b.Env["BILLING_QUEUE_URL"]} {
		out, err := b.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
		if err != nil {
			return 0, err
		}
		for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
			count, err := strconv.Atoi(out.Attributes[name])
			if err != nil {
				return 0, fmt.Errorf("%s of %s: %w", name, url, err)
			}
			n += count
		}
	}
	return n, nil
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
	b.report("The idle stack")
	return nil
}
