package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"portico/infra/bench/cost"
	"portico/shared/id"
)

// row is a line of the table.
type row struct {
	name             string
	events           int
	perSecond        float64 // deliveries
	enqueue, receive []time.Duration
	used             cost.Work // per delivery
	lost, again      int
	failed           int64
}

// measureNoop measures how fast the gateway and a function answer a request
// without work: no request can be faster.
func (b *bench) measureNoop(ctx context.Context) error {
	progress("gateway no-op …")
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
	progress("%s …", name)
	ids, err := b.createEndpoints(ctx, endpoints)
	if err != nil {
		return err
	}
	if err := b.warm(ctx); err != nil {
		return err
	}
	l := newLoad(len(b.rows))
	mark, err := b.meter.Begin(ctx)
	if err != nil {
		return err
	}
	if err := publish(l); err != nil {
		return err
	}
	waitErr := b.inbox.await(len(l.sentN) * endpoints)
	mark.Stop()
	if err := errors.Join(waitErr, b.awaitRecorded(ctx, ids)); err != nil {
		return err
	}
	r, err := b.account(ctx, name, l, endpoints, mark)
	b.rows = append(b.rows, r)
	return errors.Join(err, b.deleteEndpoints(ctx, ids))
}

// warm publishes events that no endpoint gets from all environments: the first
// publish of an environment after a change of an endpoint is made twice.
func (b *bench) warm(ctx context.Context) error {
	l := newLoad(-4)
	l.kind = "bench.warm"
	err := b.atMost(ctx, l, 128, 1)
	if failed := l.fails.Load(); failed > 0 {
		return fmt.Errorf("%d of 128 publishes were refused before the measurement", failed)
	}
	return err
}

// awaitRecorded waits until the last results are in the database.
func (b *bench) awaitRecorded(ctx context.Context, endpoints []string) error {
	ids, err := uuids(endpoints)
	for pending := true; pending && err == nil && until(ctx, time.Now().Add(20*time.Millisecond)); {
		err = b.db.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM webhook_endpoint e JOIN webhook_delivery d ON d.org_id = e.org_id AND d.endpoint_id = e.id
			WHERE e.id = ANY($1) AND d.status = 'pending')`, ids).Scan(&pending)
	}
	return err
}

// uuids are the ids of endpoints as the database has them.
func uuids(endpoints []string) (ids []id.WebhookEndpoint, err error) {
	for _, text := range endpoints {
		one, err := id.Parse[id.WebhookEndpoint](text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, one)
	}
	return ids, nil
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
func (b *bench) account(ctx context.Context, name string, l *load, endpoints int, mark *cost.Mark) (row, error) {
	arrivals, again := b.inbox.take()
	r := row{name: name, events: len(l.sentN), enqueue: l.took, again: again, failed: l.fails.Load()}
	for a, at := range arrivals {
		if sent, ok := l.sentN[a.number]; ok && a.run == l.run {
			r.receive = append(r.receive, at.Sub(sent))
		}
	}
	deliveries := len(l.sentN) * endpoints
	r.lost = deliveries - len(r.receive)
	r.perSecond = float64(len(r.receive)) / mark.Took.Seconds()
	used, err := b.meter.Finish(ctx, mark)
	r.used = used.Per(deliveries)
	return r, err
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

// report prints what was measured.
func (b *bench) report(w io.Writer) {
	noop, reference := b.figures["no-op"], b.figures["reference"]
	if reference > 0 {
		fmt.Fprintf(w, "\ngateway no-op (32 connections)        %8.0f requests/s\nbare reference loop                   %8.0f deliveries/s\n", noop, reference)
		fmt.Fprintf(w, "drain / reference                     %8.0f %%\n", 100*b.figures["drain"]/reference)
	}
	if len(b.rows) > 0 {
		b.reportRows(w, noop)
		b.reportStorage(w)
	}
	if b.crowd != nil {
		b.crowd.report(w)
	}
	if len(b.costs) > 0 {
		b.reportCosts(w)
	}
	if b.limits != nil {
		b.limits.Print(w)
	}
}

func (b *bench) reportRows(w io.Writer, noop float64) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tevents\tdeliveries/s\t% of no-op\tenqueue ms p50/p95/p99\tpublish→receive ms p50/p95/p99\tCPU-s per 1,000: functions + Postgres\tgateway\tDynamoDB\trefused\tlost\ttwice")
	for _, r := range b.rows {
		share := "–"
		if noop > 0 {
			share = fmt.Sprintf("%.0f", 100*r.perSecond/noop)
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%s\t%s\t%s\t%.2f + %.2f\t%.2f\t%.2f\t%d\t%d\t%d\n",
			r.name, r.events, r.perSecond, share, percentiles(r.enqueue), percentiles(r.receive),
			1000*r.used[cost.Functions], 1000*r.used[cost.Postgres], 1000*r.used[cost.Gateway], 1000*r.used[cost.DynamoDB], r.failed, r.lost, r.again)
	}
	_ = t.Flush() // a terminal that is gone
}

// reportStorage prints what each run wrote to the WAL.
func (b *bench) reportStorage(w io.Writer) {
	fmt.Fprint(w, "\nWritten to the WAL per delivery, with its share of the publish\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tbytes\tpage images, bytes\trecords\tindex entries\trow updates\tcommits\taborts")
	for _, r := range b.rows {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.1f\t%.2f\t%.2f\t%.3f\t%.3f\n", r.name, r.used[cost.Bytes], r.used[cost.Images], r.used[cost.Records], r.used[cost.Entries], r.used[cost.Updates], r.used[cost.Commits], r.used[cost.Aborts])
	}
	_ = t.Flush() // a terminal that is gone
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// percentiles prints the 50th, 95th and 99th in milliseconds.
func percentiles(d []time.Duration) string {
	if len(d) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f / %.1f / %.1f", ms(percentile(d, 50)), ms(percentile(d, 95)), ms(percentile(d, 99)))
}

// percentile returns the p-th percentile, 0 for an empty list.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[(len(d)-1)*p/100]
}
