package limits

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"portico/infra/bench/cost"
)

// Report has the results.
type Report struct {
	leased          []leased
	loads           []loaded
	inProcess, http flood
}

// Run measures limits.
func Run(ctx context.Context, s Stack) (*Report, error) {
	b, err := newBed(s)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if r.leased, err = b.measureLeased(ctx); err != nil {
		return nil, err
	}
	if r.inProcess, err = b.measureInProcess(ctx); err != nil {
		return nil, err
	}
	if r.http, err = b.measureHTTP(ctx); err != nil {
		return nil, err
	}
	r.loads, err = b.measureLoads(ctx)
	return r, err
}

// Figure is a result that can be compared with that of another commit.
type Figure struct {
	Name  string
	Value float64
}

// Figures returns those that can be compared.
func (r *Report) Figures() []Figure {
	request := r.leased[len(r.leased)-1]
	return []Figure{
		{"ns per leased request", request.ns},
		{"allocations per leased request", request.allocations},
		{"DynamoDB writes per request of a flood", r.http.perRequest(r.http.calls.writes)},
		{"p99 of another key beside a flood / beside requests without a key", ratio(r.http.flooded, r.http.busy, 99)},
	}
}

// Print writes the results as tables.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nLimits: requests of a busy key, nearly all leased\n\n")
	fmt.Fprintln(t, "\trequests\tns\tallocations\tbytes\tDynamoDB calls per request")
	for _, l := range r.leased {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.2f\t%.0f\t%.6f\n", l.name, l.requests, l.ns, l.allocations, l.bytes, l.callsPerCall)
	}
	_ = t.Flush() // a terminal that is gone
	r.printLoads(w)
	r.inProcess.print(w, "in one process, with the stage's limits")
	r.http.print(w, fmt.Sprintf("over HTTP, %d connections, limited to %d a second", connections, lowered))
}

func (r *Report) printLoads(w io.Writer) {
	fmt.Fprintf(w, "\nA key with the stage's limits for %s; DynamoDB needs the writes only, dynalite a read after each refused write\n\n", simulated)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "environments\tload / limit\trequests\tallowed\twrites per request: key + organization\treads\t$ per million")
	for _, l := range r.loads {
		writes := l.per(l.keys.writes + l.orgs.writes)
		fmt.Fprintf(t, "%d\t%g\t%d\t%d\t%.3f + %.3f\t%.3f\t%.2f\n", l.environments, l.load, l.requests, l.allowed,
			l.per(l.keys.writes), l.per(l.orgs.writes), l.per(l.keys.reads+l.orgs.reads), writes*cost.PerMillionWrites)
	}
	_ = t.Flush() // a terminal that is gone
}

func (f flood) print(w io.Writer, where string) {
	alone := ""
	if f.alone > 0 {
		alone = fmt.Sprintf(", %d requests were decided without DynamoDB, because it took longer than 50 ms", f.alone)
	}
	fmt.Fprintf(w, "\nA flooded key, %s: %d requests in %s, %.0f a second; %d were allowed, the limit allows %d; %.2f %% were refused%s; DynamoDB calls per request %.5f, of which writes %.5f; %.1f calls a second\n",
		where, f.requests, f.took.Round(100*time.Millisecond), float64(f.requests)/f.took.Seconds(), f.allowed, f.most,
		100*float64(f.refused)/float64(f.requests), alone, f.perRequest(f.calls.all()), f.perRequest(f.calls.writes), float64(f.calls.all())/f.took.Seconds())
	fmt.Fprintf(w, "another key, %d times a second, ms p50 / p99: %s alone", neighbourRate, percentiles(f.quiet))
	base, name := f.quiet, "alone"
	if len(f.busy) > 0 {
		fmt.Fprintf(w, ", %s beside as many connections without a key", percentiles(f.busy))
		base, name = f.busy, "beside these"
	}
	fmt.Fprintf(w, ", %s beside the flood; flood / %s: %.2f / %.2f\n", percentiles(f.flooded), name, ratio(f.flooded, base, 50), ratio(f.flooded, base, 99))
}

func percentiles(d []time.Duration) string {
	return fmt.Sprintf("%.3f / %.3f", ms(percentile(d, 50)), ms(percentile(d, 99)))
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func ratio(a, b []time.Duration, p int) float64 {
	return float64(percentile(a, p)) / float64(percentile(b, p))
}
