package webhook

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// settled is what the recording of a batch brought about.
type settled struct {
	lost     int           // results whose lease was no longer the delivery's
	due      []endpointKey // have something due by it
	disabled int           // endpoints
}

// settle records a batch. What only succeeded is one statement; what has
// consequences for its endpoint or its ordering key commits together with them.
func (r *run) settle(ctx context.Context, batch []Result) (s settled, err error) {
	if !hasConsequences(batch) {
		s.lost, err = complete(ctx, r.DB, batch)
		return s, err
	}
	err = pgx.BeginFunc(ctx, r.DB, func(tx pgx.Tx) (err error) {
		keys := finishedKeys(batch)
		if len(keys) > 0 {
			if err := lockKeys(ctx, tx, keys); err != nil {
				return err
			}
		}
		if s.lost, err = complete(ctx, tx, batch); err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := pauseKeys(ctx, tx, batch); err != nil {
				return err
			}
			if s.due, err = advance(ctx, tx, keys); err != nil {
				return err
			}
		}
		return r.judge(ctx, tx, batch, &s)
	})
	return s, err
}

func hasConsequences(batch []Result) bool {
	for _, r := range batch {
		failed := r.Tried && r.Status != Delivered
		if failed || r.OrderingKey != nil || r.Probe || (r.Endpoint != nil && r.Endpoint.Troubled) {
			return true
		}
	}
	return false
}

// judge updates the lanes of endpoints that fail or failed, disables those that
// are beyond hope, and publishes what their owners should know.
func (r *run) judge(ctx context.Context, tx pg.Tx, batch []Result, s *settled) error {
	outcomes := outcomesOf(batch)
	if len(outcomes) == 0 {
		return nil
	}
	before, now, err := lockLanes(ctx, tx, outcomes)
	if err != nil {
		return err
	}
	notices, after := exhausted(batch), make([]health, len(outcomes))
	verdicts := make([]verdict, len(outcomes))
	for i, o := range outcomes {
		after[i], verdicts[i] = before[i].after(o, now, r.Disabling)
		if n, tell := noticeOf(o, before[i], after[i], verdicts[i]); tell {
			notices = append(notices, n)
		}
	}
	if err := saveLanes(ctx, tx, outcomes, after); err != nil {
		return err
	}
	if s.disabled, err = r.disable(ctx, tx, outcomes, verdicts); err != nil {
		return err
	}
	due, err := r.publish(ctx, tx, notices)
	s.due = append(s.due, due...)
	return err
}

// publish publishes notices, each organization's together.
func (r *run) publish(ctx context.Context, tx pg.Tx, notices []Notice) (due []endpointKey, err error) {
	byOrg := map[id.Org][]Notice{}
	for _, n := range notices {
		byOrg[n.Org] = append(byOrg[n.Org], n)
	}
	for org, notices := range byOrg {
		endpoints, err := r.Publish(ctx, tx, org, notices, r.Clock.Now())
		if err != nil {
			return nil, fmt.Errorf("webhook.publish: %w", err)
		}
		for _, e := range endpoints {
			due = append(due, endpointKey{org, e})
		}
	}
	return due, nil
}
