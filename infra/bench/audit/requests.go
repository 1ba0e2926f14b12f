package audit

import (
	"context"
	"net/http"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
)

// measureRequests measures a request that writes an entry, and one that reads, through
// the API.
func (b *bed) measureRequests(ctx context.Context) error {
	n := 500
	if b.Short {
		n = 50
	}
	for _, r := range []struct{ what, method, path, body string }{
		{"PATCH /v1/organization, with its entry", http.MethodPatch, "/v1/organization", `{"name":"Audited"}`},
		{"GET /v1/webhook-endpoints, not recorded", http.MethodGet, "/v1/webhook-endpoints", ""},
	} {
		took, used, err := b.repeat(ctx, n, r.method, r.path, r.body)
		if err != nil {
			return err
		}
		b.Add(r.what, "", budget.None, "%s; WAL %.0f bytes, %.1f commits", budget.Percentiles(took), used[cost.Bytes], used[cost.Commits])
	}
	return nil
}

// repeat sends a request n times.
func (b *bed) repeat(ctx context.Context, n int, method, path, body string) (took []time.Duration, used cost.Work, err error) {
	mark, err := b.Meter.Begin(ctx)
	if err != nil {
		return nil, used, err
	}
	for range n {
		begin := time.Now()
		if err := b.call(ctx, method, path, body); err != nil {
			return nil, used, err
		}
		took = append(took, time.Since(begin))
	}
	mark.Stop()
	used, err = b.Meter.Finish(ctx, mark)
	return took, used.Per(n), err
}
