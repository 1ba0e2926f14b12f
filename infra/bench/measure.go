package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// row is a line of the table.
type row struct {
	name             string
	events           int
	perSecond        float64 // deliveries
	enqueue, receive []time.Duration
	cpu              cpu // per 1,000 deliveries
	lost, again      int
	failed           int64
}

// measureNoop measures how fast the gateway and a function answer a request
// without work: no request can be faster.
func (b *bench) measureNoop(ctx context.Context) error {
	fmt.Println("gateway no-op …")
	var n atomic.Int64
	var workers sync.WaitGroup
	start := time.Now()
	for range 32 {
		workers.Go(func() {
			for time.Since(start) < b.noop && ctx.Err() == nil {
				if status, _, err := b.call(ctx, http.MethodGet, "/healthz", nil); err == nil && status == http.StatusOK {
					n.Add(1)
				}
			}
		})
	}
	workers.Wait()
	b.figures["no-op"] = float64(n.Load()) / time.Since(start).Seconds()
	return ctx.Err()
}

func (b *bench) measureSteady(ctx context.Context) error {
	return b.measure(ctx, fmt.Sprintf("%d events/min for %s, 1 endpoint", b.rate, b.steady), 1, func(l *load) error {
		return b.atRate(ctx, l, b.rate, b.steady)
	})
}

func (b *bench) measureSingles(endpoints int) func(context.Context) error {
	return func(ctx context.Context) error {
		return b.measure(ctx, fmt.Sprintf("single publishes, 32 publishers, %d endpoint(s)", endpoints), endpoints, func(l *load) error {
			return b.atMost(ctx, l, b.events/endpoints, 1)
		})
	}
}

func (b *bench) measureBatches(endpoints int) func(context.Context) error {
	return func(ctx context.Context) error {
		return b.measure(ctx, fmt.Sprintf("batches of 100, 32 publishers, %d endpoint(s)", endpoints), endpoints, func(l *load) error {
			return b.atMost(ctx, l, 2*b.events/endpoints, 100)
		})
	}
}

// measure creates endpoints, publishes, waits for every delivery and checks it.
func (b *bench) measure(ctx context.Context, name string, endpoints int, publish func(*load) error) error {
	fmt.Println(name, "…")
	ids, err := b.createEndpoints(ctx, endpoints)
	if err != nil {
		return err
	}
	l := newLoad(len(b.rows))
	before, start := b.cpuNow(), time.Now()
	if err := publish(l); err != nil {
		return err
	}
	waitErr := b.inbox.await(len(l.sentN) * endpoints)
	took := time.Since(start)
	used := b.cpuNow().minus(before)
	b.rows = append(b.rows, b.account(name, l, endpoints, took, used))
	return errors.Join(waitErr, b.deleteEndpoints(ctx, ids))
}

func (b *bench) deleteEndpoints(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if status, reply, err := b.call(ctx, http.MethodDelete, "/v1/webhook-endpoints/"+id, nil); err != nil || status != http.StatusNoContent {
			return fmt.Errorf("delete endpoint: %d %s %w", status, reply, err)
		}
	}
	return nil
}

// account compares the accepted events with the arrivals.
func (b *bench) account(name string, l *load, endpoints int, took time.Duration, used cpu) row {
	arrivals, again := b.inbox.take()
	r := row{name: name, events: len(l.sentN), enqueue: l.took, again: again, failed: l.fails.Load()}
	for a, at := range arrivals {
		if sent, ok := l.sentN[a.number]; ok && a.run == l.run {
			r.receive = append(r.receive, at.Sub(sent))
		}
	}
	deliveries := float64(len(l.sentN) * endpoints)
	r.lost = int(deliveries) - len(r.receive)
	r.perSecond = float64(len(r.receive)) / took.Seconds()
	per := deliveries / 1000
	r.cpu = cpu{used.functions / per, used.postgres / per, used.dynamodb / per, used.gateway / per}
	return r
}

func (b *bench) createEndpoints(ctx context.Context, n int) (ids []string, err error) {
	for i := range n {
		id, err := b.createEndpoint(ctx, b.inbox.url(i), "bench.event")
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (b *bench) createEndpoint(ctx context.Context, url, eventType string) (id string, err error) {
	return b.createEndpointWith(ctx, url, eventType, "")
}

// createEndpointWith also takes options: JSON fields that begin with a comma.
func (b *bench) createEndpointWith(ctx context.Context, url, eventType, options string) (id string, err error) {
	status, reply, err := b.call(ctx, http.MethodPost, "/v1/webhook-endpoints", []byte(`{"url":"`+url+`","event_types":["`+eventType+`"]`+options+`}`))
	if err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("create endpoint: %d %s %w", status, strings.TrimSpace(string(reply)), err)
	}
	var made struct{ ID string }
	err = json.Unmarshal(reply, &made)
	return made.ID, err
}
