// Bench measures Portico on this machine: `make bench`. It runs the local stack
// as a separate process, publishes through its gateway like a customer, receives
// the deliveries, and checks every accepted event. Two figures of the same run
// serve for comparison: the gateway's no-op rate, and a bare loop that only
// claims, POSTs and completes. Other parts show that history does not slow the
// queue (growth), how a move to another database affects an organization (move),
// and that no event is lost while receivers fail, dispatchers are killed and
// Postgres crashes (soak). With -against it compares this tree with another
// commit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the sizes of a run.
type options struct {
	short    bool
	profiles string // folder for CPU profiles of the functions; "": none

	noop      time.Duration // how long the gateway's no-op is measured
	steady    time.Duration // of publishing at a fixed rate
	rate      int           // events a minute at the fixed rate
	events    int           // of each maximum-rate run
	reference int           // deliveries of the bare loop and of the drain
	hanging   int           // backlog of the endpoint that hangs

	plans   string        // file for the plans of the growth run; "": none
	history int           // finished deliveries of the growth run
	rounds  int           // of the growth run
	moved   int           // finished deliveries of the organization that moves
	soak    time.Duration // how long the soak publishes
	seed    uint64        // of the soak's random choices
	turns   int           // of a comparison
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case serveMode:
			exitOn(serve(os.Args[2:]))
			return
		case turnMode:
			exitOn(turn(os.Args[2:]))
			return
		}
	}
	o := options{
		noop: 5 * time.Second, steady: time.Minute, rate: 10_000, events: 20_000, reference: 20_000, hanging: 100_000,
		history: 10_000_000, rounds: 15, moved: 1_000_000, soak: 10 * time.Minute,
	}
	only := flag.String("only", "", "only one `part`: speed, growth, move or soak")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "the `number` with which the soak's random choices are repeated")
	revision := flag.String("against", "", "compare the speed of this tree with that of a `commit`, measured alternately")
	flag.IntVar(&o.turns, "turns", 5, "how often both are measured in a comparison")
	flag.StringVar(&o.plans, "plans", "", "write the plans of the growth run's statements to this `file`")
	flag.BoolVar(&o.short, "short", false, "a tenth of everything, to see that it works")
	flag.StringVar(&o.profiles, "profiles", "", "write a CPU profile of every function process into this `folder`")
	flag.Parse()
	if o.short {
		o.noop, o.steady, o.events, o.reference, o.hanging = time.Second, 6*time.Second, 2_000, 5_000, 10_000
		o.history, o.rounds, o.moved, o.soak = 1_000_000, 6, 50_000, 2*time.Minute
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *revision != "" {
		exitOn(against(ctx, o, *revision))
		return
	}
	exitOn(run(ctx, o, *only))
}

// run runs one part or, without a name, all parts: each on a new stack.
func run(ctx context.Context, o options, only string) error {
	parts := []struct {
		name string
		run  func(context.Context, options) error
	}{{"speed", speed}, {"growth", growth}, {"move", move}, {"soak", soak}}
	known := only == ""
	for _, part := range parts {
		if only != "" && only != part.name {
			continue
		}
		known = true
		if err := part.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if !known {
		return fmt.Errorf("there is no part %q: choose speed, growth, move or soak", only)
	}
	return nil
}

func speed(ctx context.Context, o options) error {
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Printf("%d cores, %s, Go %s, Postgres %s\n\n", runtime.NumCPU(), machine(), strings.TrimPrefix(runtime.Version(), "go"), b.postgresVersion(ctx))
	for _, measure := range []func(context.Context) error{
		b.measureNoop, b.measureReference, b.measureSteady,
		b.measureSingles(1), b.measureSingles(10), b.measureBatches(1), b.measureBatches(10), b.measureDrain, b.measureFairness,
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.report(os.Stdout)
	return nil
}

// machine names the processor, as /proc/cpuinfo does.
func machine() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
