package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

var (
	// together is for a batch of several organizations. If it exceeds these
	// limits, each organization is recorded alone.
	together = limits{lock: 50 * time.Millisecond, notify: 500 * time.Millisecond}
	// alone is for the results of one organization. It is longer than a queue of
	// publishes takes that all lock the same ordering key.
	alone = limits{lock: time.Second, notify: 10 * time.Second}
)

// gatherDelivered is how long a success waits to be recorded together with others.
// Nothing waits for it: its slot is free. If the dispatcher is killed in that time,
// the receiver gets the delivery twice.
const gatherDelivered = 50 * time.Millisecond

// record writes results as they arrive. Those that arrive within a short time are
// one batch, so a busier dispatcher has larger batches.
func (r *run) record(ctx context.Context) {
	r.apart = newApart(r.lanes)
	var background sync.WaitGroup
	background.Go(func() { r.recordApart(ctx) })
	for first := range r.results {
		if batch := r.apart.divert(giveUpAt(ctx), r.gather(first)); len(batch) > 0 {
			r.recordBatch(ctx, batch)
			r.recorded.Add(1)
		}
	}
	r.apart.close()
	background.Wait()
}

func (r *run) gather(first Result) []Result {
	batch := append(make([]Result, 0, batchSize), first)
	late := time.NewTimer(gatherDelivered)
	defer late.Stop()
	soon := false
	for len(batch) < batchSize {
		if !soon && hasConsequences(batch[len(batch)-1:]) {
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
func (r *run) recordBatch(ctx context.Context, batch []Result) {
	giveUp := giveUpAt(ctx)
	err := r.tryUntil(ctx, giveUp, batch, together)
	if err == nil {
		return
	}
	parts := byOrg(batch)
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
// because then another dispatcher may claim the deliveries and the results would
// be discarded; but not longer than the dispatcher may run.
func giveUpAt(ctx context.Context) time.Time {
	at := time.Now().Add(leaseFor)
	if end, ok := ctx.Deadline(); ok && end.Add(-2*time.Second).Before(at) {
		return end.Add(-2 * time.Second)
	}
	return at
}

// tryUntil records results. If that fails for a reason that concerns all
// organizations, for example because Postgres is down, it tries again until
// giveUp. It returns only errors that concern one organization.
func (r *run) tryUntil(ctx context.Context, giveUp time.Time, batch []Result, p limits) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := r.announce(ctx, batch)
		if err == nil {
			var s settled
			if s, err = r.settle(ctx, batch, p); err == nil {
				r.conclude(ctx, batch, s)
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
// organization only: a lock, slow filters, or an error that stays if it is tried
// again.
func isOneOrgs(err error) bool {
	return pg.IsLockTimeout(err) || errors.Is(err, errSlowFilters) || !pg.IsTransient(err)
}

// announce lowers the due time to the earliest time at which a batch may make
// something due: a retry, the next delivery of an ordering key, an operational
// event.
func (r *run) announce(ctx context.Context, batch []Result) error {
	now := r.Clock.Now()
	var earliest time.Time
	lower := func(at time.Time) {
		if earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
	}
	if hasConsequences(batch) {
		lower(now)
	}
	for _, result := range batch {
		if result.Status == Pending {
			lower(now.Add(result.Wait))
			if r.retries.add(time.Now().Add(result.Wait)) {
				r.tell() // it may wait for a later time
			}
		}
	}
	if earliest.IsZero() {
		return nil
	}
	return r.Waker.Due.Lower(ctx, earliest)
}

// conclude notes the deliveries that a batch has made due, and logs the batch.
func (r *run) conclude(ctx context.Context, batch []Result, s settled) {
	if len(s.due) > 0 {
		r.tell(s.due...)
	}
	r.report(ctx, len(batch)-len(s.written), s)
}

// report logs one line with the metrics of the results that were written.
func (r *run) report(ctx context.Context, lost int, s settled) {
	now := r.Clock.Now()
	var delivered, failed, exhausted float64
	var age time.Duration
	var whole, tries []float64
	for _, result := range s.written {
		if at := result.StartedAt.Sub(result.Due); result.Tried {
			age = max(age, at)
			tries = append(tries, milliseconds(result.Latency))
		}
		switch {
		case result.Status == Delivered:
			delivered++
			whole = append(whole, milliseconds(now.Sub(result.EventID.Time())))
		case result.Status == Failed:
			exhausted++
			fallthrough
		case result.Tried:
			failed++
		}
	}
	var named []slog.Attr
	if failed > 0 {
		named = failedEndpoints(s.written)
	}
	r.Log.Line(ctx, slog.LevelInfo, "deliveries recorded", []observe.Metric{
		observe.One("Delivered", observe.Count, delivered),
		observe.One("Failed", observe.Count, failed),
		observe.One("Exhausted", observe.Count, exhausted),
		observe.One("EgressFaults", observe.Count, r.egressFaults(ctx, s.written)),
		observe.One("SealingFaults", observe.Count, r.sealingFaults(ctx, s.written)),
		observe.One("LeaseLost", observe.Count, float64(lost)),
		observe.One("EndpointsDisabled", observe.Count, float64(s.disabled)),
		observe.One("OldestDueAge", observe.Seconds, age.Seconds()),
		{Name: "DeliveryLatency", Unit: observe.Milliseconds, Values: whole},
		{Name: "AttemptLatency", Unit: observe.Milliseconds, Values: tries},
	}, named...)
}

// maxNamed bounds how many failed endpoints a log line names.
const maxNamed = 10

// failedEndpoint is an endpoint with failed tries in a batch.
type failedEndpoint struct {
	Org       id.Org             `json:"organization_id"`
	Endpoint  id.WebhookEndpoint `json:"endpoint_id"`
	Failures  int32              `json:"failures"`
	LastError string             `json:"last_error"`
}

// failedEndpoints returns the endpoints with failed tries, for the log line of a
// batch.
func failedEndpoints(batch []Result) []slog.Attr {
	var failed []failedEndpoint
	for _, o := range outcomesOf(batch) {
		if o.failures > 0 && len(failed) < maxNamed {
			failed = append(failed, failedEndpoint{o.org, o.endpoint, o.failures, o.lastError})
		}
	}
	if failed == nil {
		return nil
	}
	return []slog.Attr{slog.Any("failed_endpoints", failed)}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
