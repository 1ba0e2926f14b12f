// Bench measures Portico on this machine: `make bench`. It runs the local stack
// as a separate process, publishes through its gateway like a customer, receives
// the deliveries, and checks every accepted event. Two figures of the same run
// serve for comparison: the gateway's no-op rate, and a bare loop that only
// claims, POSTs and completes. It also shows what storage, functions and CPU time
// one publish, delivery and retry cost (costs), and that a hanging endpoint does
// not delay others (neighbours); and what it costs to count requests against limits,
// also while a key is flooded (limits); and what the audit log costs (audit). Longer parts show that history does not slow the
// queue (growth), how a move to another database affects an organization (move),
// and that no event is lost while receivers fail, dispatchers are killed and
// Postgres crashes (soak). With -against it compares this tree with another
// commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"portico/infra/bench/audit"
	"portico/infra/bench/cost"
	"portico/infra/bench/identity"
	"portico/infra/bench/limits"
	"portico/infra/local/stack"
)

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
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	exitOn(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.against != "" {
		exitOn(against(ctx, o))
		return
	}
	exitOn(run(ctx, o))
}

// part is a part of the run, on a stack of its own.
type part struct {
	name string
	run  func(context.Context, options) error
	when // it runs without -only
}

type when int

const (
	always   when = iota
	withLong      // it takes more than a few minutes
	withOnly      // it is contained in another part
)

func parts() []part {
	return []part{
		{"speed", speed, always}, {"costs", costs, withOnly}, {"neighbours", neighbours, withOnly}, {"limits", countLimits, withOnly},
		{"identity", people, withOnly},
		{"jobs", jobBudgets, withLong}, {"mail", mailBudgets, withLong}, {"idle", idle, withLong}, {"jobgrowth", jobGrowth, withLong}, {"jobsoak", jobSoak, withLong},
		{"audit", auditCosts, withLong}, {"growth", growth, withLong}, {"move", move, withLong}, {"soak", soak, withLong},
	}
}

func partNames() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// run runs the parts that the options choose.
func run(ctx context.Context, o options) error {
	load := cost.StartForeignLoad(os.Getpid())
	for _, p := range parts() {
		chosen := p.when == always || p.when == withLong && o.long
		if o.only != "" {
			chosen = p.name == o.only
		}
		if !chosen {
			continue
		}
		if err := p.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Println("\n" + loadOf(load))
	return nil
}

// The daily parts run one after the other on one stack.
func speed(ctx context.Context, o options) error {
	return onStack(ctx, o, func(b *bench) []measurement {
		return []measurement{
			b.measureNoop, b.measureReference, b.measureSteady, b.measureSingles(1), b.measureSingles(10),
			b.measureBatches(1), b.measureBatches(10), b.measureDrain, b.measureRetries, b.measureCosts, b.measureNeighbours, b.measureLimits,
		}
	})
}

func costs(ctx context.Context, o options) error {
	return onStack(ctx, o, func(b *bench) []measurement { return []measurement{b.measureCosts} })
}

func neighbours(ctx context.Context, o options) error {
	o.beside *= 2 // there is time
	return onStack(ctx, o, func(b *bench) []measurement { return []measurement{b.measureNeighbours} })
}

func countLimits(ctx context.Context, o options) error {
	o.flood *= 2 // there is time
	return onStack(ctx, o, func(b *bench) []measurement { return []measurement{b.measureLimits} })
}

// measureLimits measures what it costs to count requests against limits.
func (b *bench) measureLimits(ctx context.Context) (err error) {
	b.limits, err = limits.Run(ctx, limits.Stack{
		AWSURL: b.AWSURL, Region: stack.Region, Env: b.Env, Flood: b.flood, Progress: progress,
		NewKey: func(ctx context.Context) (key string, err error) {
			_, key, err = b.newOrg(ctx, "Limits")
			return key, err
		},
		Call: b.callWith,
	})
	return err
}

// people measures signing in on a stack of its own.
func people(ctx context.Context, o options) error {
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	return identity.Run(ctx, identity.Stack{
		URL: b.URL, AWSURL: b.AWSURL, Region: stack.Region, Env: b.Env, Meter: b.meter, Short: b.short, Out: os.Stdout, Progress: progress,
	})
}

// auditCosts measures the audit log on a stack of its own.
func auditCosts(ctx context.Context, o options) error {
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	return audit.Run(ctx, audit.Stack{DatabaseURL: b.DatabaseURL, DB: b.db, Meter: b.meter, Short: b.short, Plans: b.plans, NewOrg: b.newOrg, Call: b.callWith, Progress: progress})
}

type measurement = func(context.Context) error

func onStack(ctx context.Context, o options, choose func(*bench) []measurement) error {
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	for _, measure := range choose(b) {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.report(os.Stdout)
	return nil
}

// introduce says in one line what is measured where.
func (b *bench) introduce(ctx context.Context) (string, error) {
	commit, err := thisTree()
	if err != nil {
		commit = "unknown"
	}
	var version, fsync, synchronous string
	err = b.db.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('fsync'), current_setting('synchronous_commit')`).
		Scan(&version, &fsync, &synchronous)
	return fmt.Sprintf("commit %s, %s, %s, %d cores, Go %s, Postgres %s with fsync %s and synchronous_commit %s",
		commit, time.Now().UTC().Format(time.DateOnly), machine(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), version, fsync, synchronous), err
}

func loadOf(load cost.ForeignLoad) string {
	return fmt.Sprintf("other processes used %.2f of this machine's %d cores", load.Cores(), runtime.NumCPU())
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
