package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pad brings an event's body to about 1 KiB.
var pad = strings.Repeat("portico ", 110)

// load records the publishing of one run.
type load struct {
	run   int
	kind  string // of the events
	mu    sync.Mutex
	sentN map[int]time.Time // when each accepted event's publish began
	took  []time.Duration   // of each publish call
	fails atomic.Int64
}

func newLoad(run int) *load {
	return &load{run: run, kind: "bench.event", sentN: map[int]time.Time{}}
}

// publish sends the events first … first+n-1 in one call (a single event without
// a batch), and records which were accepted.
func (b *bench) publish(ctx context.Context, l *load, first, n int) error {
	path, body := "/v1/events", l.body(first)
	if n > 1 {
		path = "/v1/events/batch"
		parts := make([]string, n)
		for i := range parts {
			parts[i] = string(l.body(first + i))
		}
		body = []byte(`{"events":[` + strings.Join(parts, ",") + `]}`)
	}
	begin := time.Now()
	status, reply, err := b.call(ctx, http.MethodPost, path, body)
	took := time.Since(begin)
	if err != nil || status != http.StatusAccepted {
		l.fails.Add(1)
		return fmt.Errorf("publish: %d %s %w", status, reply, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range n {
		l.sentN[first+i] = begin
	}
	l.took = append(l.took, took)
	return nil
}

func (l *load) body(number int) []byte {
	data, _ := json.Marshal(sent{Run: l.run, Number: number, Pad: pad}) // a struct of int and string
	return []byte(`{"type":"` + l.kind + `","data":` + string(data) + `}`)
}

func (b *bench) call(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	return b.callWith(ctx, b.key, method, path, body)
}

func (b *bench) callWith(ctx context.Context, key, method, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := b.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	return res.StatusCode, reply, err
}

// atRate publishes single events at fixed times, even if earlier ones have not
// been answered: a slow service does not reduce the rate.
func (b *bench) atRate(ctx context.Context, l *load, perMinute int, d time.Duration) error {
	gap := time.Minute / time.Duration(perMinute)
	n := int(d / gap)
	start := time.Now()
	var calls sync.WaitGroup
	for i := range n {
		if !until(ctx, start.Add(time.Duration(i)*gap)) {
			break
		}
		calls.Go(func() { _ = b.publish(ctx, l, i, 1) }) // counted in l.fails
	}
	calls.Wait()
	return ctx.Err()
}

// atMost publishes n events from 32 publishers as fast as they are accepted.
func (b *bench) atMost(ctx context.Context, l *load, n, batch int) error {
	return b.atMostFrom(ctx, l, 0, n, batch)
}

// atMostFrom is atMost with events that are numbered from first.
func (b *bench) atMostFrom(ctx context.Context, l *load, first, n, batch int) error {
	const publishers = 32
	var next atomic.Int64
	var workers sync.WaitGroup
	for range publishers {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(int64(batch))) - batch
				if i >= n {
					return
				}
				_ = b.publish(ctx, l, first+i, batch) // counted in l.fails
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// until waits until a given time; false when ctx ends before.
func until(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
