package claim

import (
	"context"
	"errors"
	"sync"
	"time"

	"portico/shared/clock"
	"portico/shared/pg"
)

var (
	// together is for a batch of several organizations. If it exceeds these
	// limits, each organization is recorded alone.
	together = Limits{Lock: 50 * time.Millisecond, Consequences: 500 * time.Millisecond}
	// alone is for the results of one organization. It is longer than requests take
	// that all wait for the same lock.
	alone = Limits{Lock: time.Second, Consequences: 10 * time.Second}
)

// gatherPlain is how long a result without consequences waits to be recorded
// together with others. Nothing waits for it: its slot is free. If the dispatcher is
// killed in that time, the work is done twice.
const gatherPlain = 50 * time.Millisecond

// record writes results as they arrive. Those that arrive within a short time are
// one batch, so a busier dispatcher has larger batches.
func (r *run[K, W, R]) record(ctx context.Context) {
	r.apart = newApart[K, R](r.lanes, r.batch())
	var background sync.WaitGroup
	background.Go(func() { r.recordApart(ctx) })
	for first := range r.results {
		if batch := r.apart.divert(r.giveUpAt(ctx), r.gather(first)); len(batch) > 0 {
			r.recordBatch(ctx, batch)
			r.recorded.Add(1)
		}
	}
	r.apart.close()
	background.Wait()
}

func (r *run[K, W, R]) gather(first R) []R {
	batch := append(make([]R, 0, r.batch()), first)
	late := time.NewTimer(gatherPlain)
	defer late.Stop()
	soon := false
	for len(batch) < cap(batch) {
		if !soon && batch[len(batch)-1].Ended().Consequences {
			soon = true
			late.Reset(gatherAtMost)
		}
		select {
		case result, ok := <-r.results:
			if !ok {
				return batch
			}
			batch = append(batch, result)
		case <-late.C:
			return batch
		}
	}
	return batch
}

// recordBatch records a batch. If one organization delays it, each organization's
// results are recorded by themselves, and those that still fail are put apart.
func (r *run[K, W, R]) recordBatch(ctx context.Context, batch []R) {
	giveUp := r.giveUpAt(ctx)
	err := r.tryUntil(ctx, giveUp, batch, together)
	if err == nil {
		return
	}
	parts := byOrg[K](batch)
	for _, part := range parts {
		if len(parts) > 1 {
			err = r.tryUntil(ctx, giveUp, part, together)
		}
		if err != nil {
			r.putApart(ctx, giveUp, part, err)
		}
	}
}

// giveUpAt returns until when to try to record results: until their leases end,
// because then another dispatcher may claim the work and the results would be
// discarded; but not longer than the dispatcher may run.
func (r *run[K, W, R]) giveUpAt(ctx context.Context) time.Time {
	at := time.Now().Add(r.Lease)
	if end, ok := ctx.Deadline(); ok && end.Add(-2*time.Second).Before(at) {
		return end.Add(-2 * time.Second)
	}
	return at
}

// tryUntil records results. If that fails for a reason that concerns all
// organizations, for example because Postgres is down, it tries again until
// giveUp. It returns only errors that concern one organization.
func (r *run[K, W, R]) tryUntil(ctx context.Context, giveUp time.Time, batch []R, l Limits) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := r.announce(ctx, batch)
		if err == nil {
			var due []K
			if due, err = r.queue.Record(ctx, batch, l); err == nil {
				if len(due) > 0 {
					r.tell(due...)
				}
				return nil
			}
			if ctx.Err() == nil && isOneOrgs(err) {
				return err
			}
		}
		r.warn(ctx, "results could not be recorded", err)
		if ctx.Err() != nil || time.Now().After(giveUp) {
			return nil
		}
		_ = clock.Sleep(ctx, wait)
	}
}

// isOneOrgs reports whether recording failed for a reason that concerns one
// organization only: a lock, slow consequences, or an error that stays if it is tried
// again.
func isOneOrgs(err error) bool {
	return pg.IsLockTimeout(err) || errors.Is(err, ErrSlow) || !pg.IsTransient(err)
}

// announce lowers the due time to the earliest time at which a batch may make
// something due: a retry, or what its consequences add.
func (r *run[K, W, R]) announce(ctx context.Context, batch []R) error {
	now := r.Clock.Now()
	var earliest time.Time
	lower := func(at time.Time) {
		if earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
	}
	for _, result := range batch {
		ended := result.Ended()
		if ended.Consequences {
			lower(now)
		}
		if ended.Again {
			lower(now.Add(ended.Wait))
			if r.retries.add(time.Now().Add(ended.Wait)) {
				r.tell() // it may wait for a later time
			}
		}
	}
	if earliest.IsZero() {
		return nil
	}
	return r.Waker.Due.Lower(ctx, earliest)
}
