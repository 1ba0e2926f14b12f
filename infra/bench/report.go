package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"portico/infra/bench/cost"
)

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
