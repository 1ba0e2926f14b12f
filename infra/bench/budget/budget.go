// Package budget prints what was measured beside what it may be.
package budget

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Table has a line for each figure.
type Table struct {
	progress func(format string, args ...any)
	lines    []line
}

// New returns an empty table. progress is told each line as soon as it is known.
func New(progress func(format string, args ...any)) Table { return Table{progress: progress} }

// line is a budget with what was reached.
type line struct {
	what, value, budget string
	met                 Verdict
}

// Verdict says whether a budget was met.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"
	Missed Verdict = "not met"
	None   Verdict = "" // it is no budget
)

// Judge returns Met or Missed.
func Judge(ok bool) Verdict {
	if ok {
		return Met
	}
	return Missed
}

// Add adds a line. The value is a format for args.
func (t *Table) Add(what, budget string, met Verdict, value string, args ...any) {
	t.lines = append(t.lines, line{what, fmt.Sprintf(value, args...), budget, met})
	t.progress("  %s: %s", what, t.lines[len(t.lines)-1].value)
}

// Print prints each budget with what was reached.
func (t *Table) Print(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s\n\n", title)
	tabs := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tabs, "what\tvalue\tbudget\t")
	for _, l := range t.lines {
		fmt.Fprintf(tabs, "%s\t%s\t%s\t%s\n", l.what, l.value, l.budget, l.met)
	}
	_ = tabs.Flush() // a terminal that is gone
}

// Median returns the middle value; of an even number, the mean of the middle two.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Span prints the smallest and the largest value.
func Span(values []float64) string {
	return fmt.Sprintf("%.2f – %.2f", slices.Min(values), slices.Max(values))
}

// Percentile returns the p-th percentile in milliseconds, 0 for an empty list.
func Percentile(d []time.Duration, p int) float64 {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return float64(sorted[(len(sorted)-1)*p/100].Microseconds()) / 1000
}

// Percentiles prints the 50th and the 99th.
func Percentiles(d []time.Duration) string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", Percentile(d, 50), Percentile(d, 99))
}
