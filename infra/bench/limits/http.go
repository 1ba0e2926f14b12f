package limits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lowered is the flooded key's limit of requests per second.
	lowered = 20
	// connections is how many flood the API: fewer than the processes of a function,
	// so that the other key's requests find one.
	connections = 4
	// cheap is the request that both keys send.
	cheap = "/v1/webhook-endpoints?limit=1"
	// malformed is no key: its requests are refused without any store.
	malformed = "ptc_malformed"
)

// measureHTTP floods a key through the gateway and real functions.
func (b *bed) measureHTTP(ctx context.Context) (f flood, err error) {
	b.Progress("limits: a flooded key, over HTTP …")
	flooded, err := b.lowerKey(ctx)
	if err != nil {
		return f, err
	}
	neighbour, err := b.NewKey(ctx)
	if err != nil {
		return f, err
	}
	use := func() error { return b.use(ctx, neighbour) }
	// Until all processes run and know the other key.
	if _, err := b.beside(ctx, b.Flood/10, neighbour, use); err != nil {
		return f, err
	}
	quiet, err := steadily(ctx, b.Flood/2, use)
	if err != nil {
		return f, err
	}
	load, err := b.beside(ctx, b.Flood/2, malformed, use)
	if err != nil {
		return f, err
	}
	before, err := b.stackCalls(ctx)
	if err != nil {
		return f, err
	}
	if f, err = b.beside(ctx, b.Flood, flooded, use); err != nil {
		return f, err
	}
	after, err := b.stackCalls(ctx)
	p, _ := b.stage.Named("requests")
	f.calls, f.quiet, f.busy, f.most = after.since(before), quiet, load.flooded, allows(p.With(lowered), f.took)
	return f, err
}

// use sends a request with a key that is not over its limits.
func (b *bed) use(ctx context.Context, key string) error {
	status, reply, err := b.Call(ctx, key, http.MethodGet, cheap, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the other key: %d %s", status, reply)
	}
	return err
}

// beside sends requests over all connections as fast as they are answered, and uses
// the other key at the same time.
func (b *bed) beside(ctx context.Context, d time.Duration, key string, use func() error) (f flood, err error) {
	var statuses [600]atomic.Int64
	flooding, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for range connections {
		flooding.Go(func() error {
			for time.Since(begin) < d && ctx.Err() == nil {
				status, _, err := b.Call(ctx, key, http.MethodGet, cheap, nil)
				if err != nil {
					return err
				}
				statuses[status].Add(1)
			}
			return nil
		})
	}
	f.flooded, err = steadily(ctx, d, use)
	err = errors.Join(err, flooding.Wait())
	f.took, f.neighbours = time.Since(begin), int64(len(f.flooded))
	refusal := http.StatusTooManyRequests
	if key == malformed {
		refusal = http.StatusUnauthorized
	}
	f.allowed, f.refused = statuses[http.StatusOK].Load(), statuses[refusal].Load()
	f.requests = f.allowed + f.refused
	for status := range statuses {
		if n := statuses[status].Load(); n > 0 && status != http.StatusOK && status != refusal {
			err = errors.Join(err, fmt.Errorf("%d requests of the flood were answered %d", n, status))
		}
	}
	return f, err
}

// lowerKey returns a new key of an organization, with a limit of its own.
func (b *bed) lowerKey(ctx context.Context) (string, error) {
	owner, err := b.NewKey(ctx)
	if err != nil {
		return "", err
	}
	status, reply, err := b.Call(ctx, owner, http.MethodPost, "/v1/api-keys", []byte(`{"name":"flooded","permissions":["webhook_endpoints:read"]}`))
	if err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("create an API key: %d %s %w", status, reply, err)
	}
	var made struct{ ID, Key string }
	if err := json.Unmarshal(reply, &made); err != nil {
		return "", err
	}
	status, reply, err = b.Call(ctx, owner, http.MethodPut, "/v1/api-keys/"+made.ID+"/limits/requests", fmt.Appendf(nil, `{"limit":%d}`, lowered))
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("set a limit of an API key: %d %s %w", status, reply, err)
	}
	return made.Key, nil
}

// stackCalls returns how many calls DynamoDB has got, from the stack's functions too.
func (b *bed) stackCalls(ctx context.Context) (calls, error) {
	status, reply, err := b.Call(ctx, "", http.MethodGet, "/_local/dynamodb", nil)
	said := map[string]int64{}
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(reply, &said)
	}
	if err != nil || status != http.StatusOK {
		return calls{}, fmt.Errorf("calls of DynamoDB: %d %s %w", status, reply, err)
	}
	var all calls
	for name, n := range said {
		all.count(name, n)
	}
	return all, nil
}
