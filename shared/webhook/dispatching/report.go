package dispatching

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/webhook"
	"portico/shared/webhook/statistics"
)

// report logs one line with the metrics of the results that were written.
func (d *Dispatcher) report(ctx context.Context, lost int, s settled) {
	now := d.Clock.Now()
	var delivered, failed, exhausted float64
	var age time.Duration
	var whole, tries []float64
	for _, result := range s.written {
		if at := result.StartedAt.Sub(result.Due); result.Tried {
			age = max(age, at)
			tries = append(tries, milliseconds(result.Latency))
		}
		switch {
		case result.Status == webhook.Delivered:
			delivered++
			whole = append(whole, milliseconds(now.Sub(result.EventID.Time())))
		case result.Status == webhook.Failed:
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
	d.Log.Line(ctx, slog.LevelInfo, "deliveries recorded", []observe.Metric{
		observe.One("Delivered", observe.Count, delivered),
		observe.One("Failed", observe.Count, failed),
		observe.One("Exhausted", observe.Count, exhausted),
		observe.One("EgressFaults", observe.Count, d.egressFaults(ctx, s.written)),
		observe.One("SealingFaults", observe.Count, d.sealingFaults(ctx, s.written)),
		observe.One("LeaseLost", observe.Count, float64(lost)),
		observe.One("EndpointsDisabled", observe.Count, float64(s.disabled)),
		observe.One("OldestDueAge", observe.Seconds, age.Seconds()),
		{Name: "DeliveryLatency", Unit: observe.Milliseconds, Values: whole},
		{Name: "AttemptLatency", Unit: observe.Milliseconds, Values: tries},
	}, named...)
}

// count adds recorded tries to the statistics of their endpoints.
func (d *Dispatcher) count(ctx context.Context, written []Result) {
	for _, r := range written {
		if !r.Tried {
			continue
		}
		t := statistics.Try{
			Endpoint:  statistics.Endpoint{Org: r.Org, ID: r.EndpointID},
			Succeeded: r.Status == webhook.Delivered, Dead: r.Status == webhook.Failed,
		}
		if r.StatusCode != 0 {
			t.Latency = r.Latency
		}
		d.counts.Add(t)
	}
	d.saveCounts(ctx, statistics.SaveEvery)
}

// saveCounts writes what this dispatcher has counted, at most once in every.
func (d *Dispatcher) saveCounts(ctx context.Context, every time.Duration) {
	if err := d.counts.Save(ctx, d.DB, every); err != nil {
		d.warn(ctx, "tries could not be counted for the statistics of endpoints", err)
	}
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
			failed = append(failed, failedEndpoint{o.OrgID, o.EndpointID, o.failures, o.lastError})
		}
	}
	if failed == nil {
		return nil
	}
	return []slog.Attr{slog.Any("failed_endpoints", failed)}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
