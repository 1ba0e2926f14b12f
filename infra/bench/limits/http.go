package limits

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"portico/shared/apikey"
	"portico/shared/dynamo"
	"portico/shared/limit"
)

const (
	// lowered is the flooded key's limit of requests per second.
	lowered = 20
	// connections is how many flood the API: fewer than the processes of a function,
	// so that the other key's requests find one.
	connections = 4
	// cheap is the request that both keys send.
	cheap = "/v1/webhook-endpoints?limit=1"
	noop  = "/healthz"
)

// measureHTTP floods a key through the gateway and real functions.
func (b *bed) measureHTTP(ctx context.Context) (f flood, err error) {
	b.Progress("limits: a flooded key, over HTTP …")
	flooded, err := b.keyWith(ctx, limit.Overrides{"requests": lowered})
	if err != nil {
		return f, err
	}
	neighbour, err := b.NewKey(ctx)
	if err != nil {
		return f, err
	}
	use := func() error {
		status, reply, err := b.Call(ctx, neighbour, cheap)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the other key: %d %s", status, reply)
		}
		return err
	}
	// Until all processes run, with the other key's organization in memory.
	if _, err := b.beside(ctx, b.Flood/10, neighbour, cheap, use); err != nil {
		return f, err
	}
	if f.quiet, err = steadily(ctx, b.Flood/2, use); err != nil {
		return f, err
	}
	load, err := b.beside(ctx, b.Flood/2, neighbour, noop, use)
	if err != nil {
		return f, err
	}
	before, err := b.stackCalls(ctx)
	if err != nil {
		return f, err
	}
	quiet := f.quiet
	if f, err = b.beside(ctx, b.Flood, flooded, cheap, use); err != nil {
		return f, err
	}
	after, err := b.stackCalls(ctx)
	f.calls = after.since(before)
	p, _ := b.stage.Named("requests")
	f.quiet, f.busy, f.most = quiet, load.flooded, allows(p.With(lowered), f.took)
	return f, err
}

// beside sends requests over all connections as fast as they are answered, and uses
// the other key at the same time.
func (b *bed) beside(ctx context.Context, d time.Duration, key, path string, use func() error) (f flood, err error) {
	var statuses [600]atomic.Int64
	var failed atomic.Pointer[error]
	var flooding sync.WaitGroup
	begin := time.Now()
	for range connections {
		flooding.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				status, _, err := b.Call(ctx, key, path)
				if err != nil {
					failed.Store(&err)
					return
				}
				statuses[status].Add(1)
			}
		})
	}
	f.flooded, err = steadily(ctx, d, use)
	flooding.Wait()
	f.took, f.neighbours = time.Since(begin), int64(len(f.flooded))
	f.allowed, f.refused = statuses[http.StatusOK].Load(), statuses[http.StatusTooManyRequests].Load()
	for status := range statuses {
		n := statuses[status].Load()
		f.requests += n
		if n > 0 && status != http.StatusOK && status != http.StatusTooManyRequests {
			err = fmt.Errorf("%d requests of the flood were answered %d", n, status)
		}
	}
	if cause := failed.Load(); cause != nil {
		err = *cause
	}
	return f, err
}

// keyWith returns a key with limits of its own, written as the projection of
// overrides does.
func (b *bed) keyWith(ctx context.Context, o limit.Overrides) (string, error) {
	plain, err := b.NewKey(ctx)
	if err != nil {
		return "", err
	}
	hash, err := apikey.Parse(plain)
	if err != nil {
		return "", err
	}
	return plain, b.keys.Update(ctx, hex.EncodeToString(hash[:]), dynamo.Write{
		Update: "SET " + limit.OverrideAttribute + " = :o", Values: dynamo.Item{":o": dynamo.Text(o.String())},
	})
}

// stackCalls returns how many calls DynamoDB has got, from the stack's functions too.
func (b *bed) stackCalls(ctx context.Context) (calls, error) {
	status, reply, err := b.Call(ctx, "", "/_local/dynamodb")
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
