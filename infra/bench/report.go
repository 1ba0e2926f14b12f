package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report prints the table.
func (b *bench) report(w io.Writer) {
	noop, reference := b.figures["no-op"], b.figures["reference"]
	fmt.Fprintf(w, "\ngateway no-op (32 connections)        %8.0f requests/s\nbare reference loop                   %8.0f deliveries/s\n", noop, reference)
	fmt.Fprintf(w, "drain / reference                     %8.0f %%\n", 100*b.figures["drain"]/reference)
	fmt.Fprintf(w, "p99 beside a hanging endpoint / alone %10.1f\n\n", b.figures["fairness"])
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tevents\tdeliveries/s\t% of no-op\tenqueue ms p50/p95/p99\tpublish→receive ms p50/p95/p99\tCPU-s per 1,000: functions + Postgres\tgateway\tDynamoDB\trefused\tlost\ttwice")
	for _, r := range b.rows {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%s\t%s\t%.2f + %.2f\t%.2f\t%.2f\t%d\t%d\t%d\n",
			r.name, r.events, r.perSecond, 100*r.perSecond/noop, percentiles(r.enqueue), percentiles(r.receive),
			r.cpu.functions, r.cpu.postgres, r.cpu.gateway, r.cpu.dynamodb, r.failed, r.lost, r.again)
	}
	_ = t.Flush() // a terminal that is gone
}

// percentiles prints the 50th, 95th and 99th in milliseconds.
func percentiles(d []time.Duration) string {
	if len(d) == 0 {
		return "–"
	}
	at := func(p int) float64 { return float64(percentile(d, p).Microseconds()) / 1000 }
	return fmt.Sprintf("%.1f / %.1f / %.1f", at(50), at(95), at(99))
}

// percentile returns the p-th percentile, 0 for an empty list.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[(len(d)-1)*p/100]
}
