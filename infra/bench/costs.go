package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"

	"portico/infra/bench/cost"
)

// priced is what one publish, delivery or retry costs.
type priced struct {
	name string
	one  cost.Work
}

// measureCosts measures publishing and delivering apart from each other: while
// events are published, the endpoint's breaker is open, so no delivery is sent.
func (b *bench) measureCosts(ctx context.Context) error {
	batched, retried := 5*b.priced, b.priced
	works, err := b.createBroken(ctx, b.inbox.url(0), "bench.event", "")
	if err != nil {
		return err
	}
	refuses, err := b.createBroken(ctx, b.inbox.urlOnce(), "bench.once", retryPolicy)
	if err != nil {
		return err
	}
	l, again := newLoad(-2), newLoad(-3)
	again.kind = "bench.once"
	if err := b.atMost(ctx, again, retried, 100); err != nil {
		return err
	}
	var total [4]cost.Work
	for i, step := range []struct {
		name string
		run  func() error
	}{
		{fmt.Sprintf("%d single publishes", b.priced), func() error { return b.atMost(ctx, l, b.priced, 1) }},
		{fmt.Sprintf("%d publishes in batches", batched), func() error { return b.atMostFrom(ctx, l, b.priced, batched, 100) }},
		{fmt.Sprintf("%d deliveries", b.priced+batched), func() error { return b.release(ctx, works, l) }},
		{fmt.Sprintf("%d deliveries, half of them retried", retried), func() error { return b.release(ctx, refuses, again) }},
	} {
		progress("costs of %s …", step.name)
		if total[i], err = b.workOf(ctx, step.run); err != nil {
			return err
		}
		if failed := l.fails.Load() + again.fails.Load(); failed > 0 {
			return fmt.Errorf("%s: %d publishes were refused", step.name, failed)
		}
	}
	total[0][cost.Calls], total[1][cost.Calls] = float64(b.priced), float64(batched)/100
	delivery := total[2].Per(len(l.sentN))
	b.costs = []priced{
		{"single publish", total[0].Per(b.priced)},
		{"publish in a batch of 100", total[1].Per(batched)},
		{"delivery", delivery},
		{"retry", total[3].Plus(delivery, -float64(len(again.sentN))).Per(retried / 2)},
	}
	return b.deleteEndpoints(ctx, []string{works, refuses})
}

// createBroken creates an endpoint whose breaker is open.
func (b *bench) createBroken(ctx context.Context, url, eventType, policy string) (string, error) {
	endpoint, err := b.createEndpointWith(ctx, url, eventType, policy)
	if err != nil {
		return "", err
	}
	return endpoint, b.setBreaker(ctx, endpoint, true)
}

// release closes the breaker, publishes one more event, which wakes a dispatcher,
// and waits until all have arrived.
func (b *bench) release(ctx context.Context, endpoint string, l *load) error {
	if err := b.setBreaker(ctx, endpoint, false); err != nil {
		return err
	}
	if err := b.publish(ctx, l, len(l.sentN), 1); err != nil {
		return err
	}
	defer b.inbox.take()
	return b.inbox.await(len(l.sentN))
}

// workOf measures all that some work does, including what it leaves to be done
// afterwards; the CPU time is that of the work itself.
func (b *bench) workOf(ctx context.Context, run func() error) (cost.Work, error) {
	before, err := b.counters(ctx)
	if err != nil {
		return cost.Work{}, err
	}
	mark, err := b.meter.Begin(ctx)
	if err != nil {
		return cost.Work{}, err
	}
	if err := run(); err != nil {
		return cost.Work{}, err
	}
	mark.Stop()
	after, err := b.counters(ctx)
	if err != nil {
		return cost.Work{}, err
	}
	used, err := b.meter.Finish(ctx, mark)
	return used.Plus(after, 1).Plus(before, -1), err
}

// counters waits until no dispatcher is awake.
func (b *bench) counters(ctx context.Context) (cost.Work, error) {
	w, err := b.meter.Counters(ctx)
	if err != nil {
		return w, err
	}
	status, reply, err := b.call(ctx, http.MethodGet, "/_local/functions", nil)
	var functions []struct{ Invocations int }
	if err != nil || status != http.StatusOK || json.Unmarshal(reply, &functions) != nil {
		return w, fmt.Errorf("functions: %d %s %w", status, reply, err)
	}
	for _, f := range functions {
		w[cost.Invocations] += float64(f.Invocations)
	}
	return w, nil
}

// setBreaker opens or closes an endpoint's breaker. While it is open, nothing is
// due.
func (b *bench) setBreaker(ctx context.Context, endpoint string, open bool) error {
	ids, err := uuids([]string{endpoint})
	if err != nil {
		return err
	}
	_, err = b.db.Exec(ctx, `
		UPDATE webhook_lane SET open_until = CASE WHEN $2 THEN portico_now() + interval '1 hour' END, failures = 0, failing_since = NULL, openings = 0
		WHERE endpoint_id = $1`, ids[0], open)
	return err
}

// reportCosts prints what one of each costs.
func (b *bench) reportCosts(w io.Writer) {
	fmt.Fprint(w, "\nWhat one costs; WAL without page images\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tWAL bytes\tpage images, bytes\tWAL records\tindex entries\tby row counts\tblocks found + read\ttransactions\twriting\tCPU ms: functions + Postgres")
	for _, p := range b.costs {
		o := p.one
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.1f\t%.2f\t%.2f\t%.1f + %.2f\t%.3f\t%.3f\t%.3f + %.3f\n", p.name, o[cost.Bytes], o[cost.Images], o[cost.Records],
			o[cost.Entries], o[cost.RowEntries], o[cost.Hit], o[cost.Read], o[cost.Transactions], o[cost.Commits], 1000*o[cost.Functions], 1000*o[cost.Postgres])
	}
	_ = t.Flush() // a terminal that is gone
	fmt.Fprint(w, "\nPrice per million in dollars, us-east-1; without Aurora's instances and storage, DynamoDB, SQS, NAT, traffic and logs\n\n")
	fmt.Fprintln(t, "\tAurora I/O\tAPI Gateway\tinvocations\tfunctions' CPU time\tsum")
	for _, p := range b.costs {
		bill := cost.Price(p.one)
		least, most := bill.Sum()
		fmt.Fprintf(t, "%s\t%.2f – %.2f\t%.2f\t%.2f\t%.3f\t%.2f – %.2f\n", p.name, bill.IOLeast, bill.IOMost, bill.Gateway, bill.Invocations, bill.Time, least, most)
	}
	_ = t.Flush()
}
