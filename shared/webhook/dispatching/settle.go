package dispatching

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/consumer"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// settled is the effect of recording a batch.
type settled struct {
	written  []Result       // without those that were discarded because the delivery has another lease
	due      []webhook.Lane // endpoints that the batch gave a due delivery
	disabled int            // endpoints
}

// settle records a batch. If all results are plain successes, it is a single
// statement. Otherwise the results and their consequences for endpoints and
// ordering keys commit together. Only results that were written have
// consequences; a late result, which is discarded, has none.
func (d *Dispatcher) settle(ctx context.Context, batch []Result, l claim.Limits) (s settled, err error) {
	if !hasConsequences(batch) {
		s.written, err = complete(ctx, d.DB, batch, l.Lock)
		return s, err
	}
	begin := pgx.TxOptions{BeginQuery: "begin; set local lock_timeout = " + pg.LockTimeout(l.Lock)} // one round trip
	err = pgx.BeginTxFunc(ctx, d.DB, begin, func(tx pgx.Tx) (err error) {
		if err := webhook.LockKeys(ctx, tx, finishedKeys(batch), webhook.LockPublishes); err != nil {
			return err
		}
		if s.written, err = complete(ctx, tx, batch, l.Lock); err != nil {
			return err
		}
		if err := consumer.EnqueueDead(ctx, tx, deadLetters(s.written)); err != nil {
			return err
		}
		if keys := finishedKeys(s.written); len(keys) > 0 {
			if err := pauseKeys(ctx, tx, s.written); err != nil {
				return err
			}
			if s.due, err = webhook.Advance(ctx, tx, keys); err != nil {
				return err
			}
		}
		return d.judge(ctx, tx, &s, l)
	})
	return s, err
}

// deadLetters returns the deliveries whose last try has failed.
func deadLetters(batch []Result) (letters []consumer.DeadLetter) {
	for i := range batch {
		if r := &batch[i]; r.Status == webhook.Failed && r.Tried {
			letters = append(letters, consumer.DeadLetter{Org: r.Org, Endpoint: r.EndpointID, Event: r.EventID})
		}
	}
	return letters
}

func hasConsequences(batch []Result) bool {
	for i := range batch {
		if batch[i].hasConsequences() {
			return true
		}
	}
	return false
}

func (r *Result) hasConsequences() bool {
	failed := r.Tried && r.Status != webhook.Delivered
	return failed || r.OrderingKey != nil || r.Probe || r.Troubled
}

// judge updates the lanes of endpoints that fail or have failed, disables those
// that have failed for too long or are gone, and publishes the notices for their
// owners.
func (d *Dispatcher) judge(ctx context.Context, tx pg.Tx, s *settled, l claim.Limits) error {
	outcomes := outcomesOf(s.written)
	if len(outcomes) == 0 {
		return nil
	}
	outcomes, before, now, err := lockLanes(ctx, tx, outcomes)
	if err != nil {
		return err
	}
	notices, after := exhausted(s.written), make([]health, len(outcomes))
	verdicts := make([]verdict, len(outcomes))
	for i, o := range outcomes {
		after[i], verdicts[i] = before[i].after(o, now, d.Disabling)
		if n, tell := noticeOf(o, before[i], after[i], verdicts[i]); tell {
			notices = append(notices, n)
		}
	}
	if err := saveLanes(ctx, tx, outcomes, after); err != nil {
		return err
	}
	if s.disabled, err = d.disable(ctx, tx, outcomes, verdicts); err != nil {
		return err
	}
	due, err := d.publish(ctx, tx, notices, l)
	s.due = append(s.due, due...)
	return err
}

// errSlowFilters is returned when publishing operational events took too long.
var errSlowFilters = fmt.Errorf("the organization's filters are too slow for its operational events: %w", claim.ErrSlow)

// publish publishes notices, grouped by organization.
func (d *Dispatcher) publish(ctx context.Context, tx pg.Tx, notices []webhook.Notice, l claim.Limits) (due []webhook.Lane, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.Consequences, errSlowFilters)
	defer cancel()
	byOrg := map[id.Org][]webhook.Notice{}
	for _, n := range notices {
		byOrg[n.Org] = append(byOrg[n.Org], n)
	}
	for org, notices := range byOrg {
		endpoints, err := d.Publish(ctx, tx, org, notices, d.Clock.Now())
		if err != nil && errors.Is(context.Cause(ctx), errSlowFilters) {
			err = fmt.Errorf("%w: %w", errSlowFilters, err)
		}
		if err != nil {
			return nil, fmt.Errorf("webhook.publish: %w", err)
		}
		for _, e := range endpoints {
			due = append(due, webhook.Lane{OrgID: org, EndpointID: e})
		}
	}
	return due, nil
}
