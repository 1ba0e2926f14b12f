package jobs

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report prints each budget with what was reached.
func (b *bed) report(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s\n\n", title)
	if b.river != nil {
		fmt.Fprintf(w, "%s\n\n", b.river.settings)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tvalue\tbudget\t")
	for _, l := range b.lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.what, l.value, l.budget, l.met)
	}
	_ = t.Flush() // a terminal that is gone
}

// median returns the middle value; of an even number, the mean of the middle two.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func span(values []float64) string {
	return fmt.Sprintf("%.2f – %.2f", slices.Min(values), slices.Max(values))
}

// percentile returns the p-th percentile in milliseconds, 0 for an empty list.
func percentile(d []time.Duration, p int) float64 {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return float64(sorted[(len(sorted)-1)*p/100].Microseconds()) / 1000
}

// percentiles prints the 50th and the 99th.
func percentiles(d []time.Duration) string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", percentile(d, 50), percentile(d, 99))
}
