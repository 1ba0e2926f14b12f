package webhook

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/id"
	"portico/shared/observe"
)

// record writes results as they come, all that are ready within gatherAtMost
// in one statement: the busier the dispatcher, the larger the batch.
func (r *run) record(ctx context.Context) {
	for first := range r.results {
		r.recordBatch(ctx, r.gather(first))
		r.recorded.Add(1)
	}
}

func (r *run) gather(first Result) []Result {
	batch := append(make([]Result, 0, batchSize), first)
	late := time.NewTimer(gatherAtMost)
	defer late.Stop()
	for len(batch) < batchSize {
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

// recordBatch tries until the leases have run out: by then another dispatcher
// may own the deliveries, and the fence would discard the results.
func (r *run) recordBatch(ctx context.Context, batch []Result) {
	wait := 50 * time.Millisecond
	for giveUp := time.Now().Add(leaseFor); ; wait = min(2*wait, time.Second) {
		s, err := r.tryRecord(ctx, batch)
		if err == nil {
			if len(s.due) > 0 {
				r.tell(s.due...)
			}
			r.report(ctx, batch, s)
			return
		}
		r.warn(ctx, "results could not be recorded", err)
		if ctx.Err() != nil || time.Now().After(giveUp) {
			return
		}
		pause(ctx, wait)
	}
}

// tryRecord announces what may become due before it commits: a retry, the next
// of an ordering key, an operational event.
func (r *run) tryRecord(ctx context.Context, batch []Result) (settled, error) {
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
		}
	}
	if !earliest.IsZero() {
		if err := r.Waker.Due.Lower(ctx, earliest); err != nil {
			return settled{}, err
		}
	}
	return r.settle(ctx, batch)
}

// report writes the batch's line with its metrics.
func (r *run) report(ctx context.Context, batch []Result, s settled) {
	now := r.Clock.Now()
	var delivered, failed, exhausted float64
	var age time.Duration
	var whole, tries []float64
	for _, result := range batch {
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
		named = failedEndpoints(batch)
	}
	r.Log.Line(ctx, slog.LevelInfo, "deliveries recorded", []observe.Metric{
		observe.One("Delivered", observe.Count, delivered),
		observe.One("Failed", observe.Count, failed),
		observe.One("Exhausted", observe.Count, exhausted),
		observe.One("EgressFaults", observe.Count, r.egressFaults(ctx, batch)),
		observe.One("LeaseLost", observe.Count, float64(s.lost)),
		observe.One("EndpointsDisabled", observe.Count, float64(s.disabled)),
		observe.One("OldestDueAge", observe.Seconds, age.Seconds()),
		{Name: "DeliveryLatency", Unit: observe.Milliseconds, Values: whole},
		{Name: "AttemptLatency", Unit: observe.Milliseconds, Values: tries},
	}, named...)
}

// maxNamed bounds how many failed endpoints a line names.
const maxNamed = 10

// failedEndpoint is an endpoint at which tries of a batch failed.
type failedEndpoint struct {
	Org       id.Org             `json:"organization_id"`
	Endpoint  id.WebhookEndpoint `json:"endpoint_id"`
	Failures  int32              `json:"failures"`
	LastError string             `json:"last_error"`
}

// failedEndpoints names the endpoints at which tries failed, for the batch's line.
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
