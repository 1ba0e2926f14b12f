package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the sizes of a run.
type options struct {
	only     string // the part to run; "": those of every day
	long     bool   // all parts
	against  string // commit to compare with; "": none
	turns    int    // of a comparison
	measures []string
	short    bool
	profiles string // folder for CPU profiles of the functions; "": none

	noop      time.Duration // how long the gateway's no-op is measured
	steady    time.Duration // of publishing at a fixed rate
	beside    time.Duration // of publishing beside a hanging endpoint, and without it
	rate      int           // events a minute at the fixed rate
	events    int           // of each maximum-rate run
	reference int           // deliveries of the bare loop, of the drain and of the retries
	priced    int           // single publishes of the costs; five times as many in batches
	hanging   int           // backlog of the endpoint that hangs
	pairs     int           // of runs with and without it
	flood     time.Duration // of requests with a key that has reached its limits

	plans   string        // file for the plans of the growth run; "": none
	history int           // finished deliveries of the growth run
	rounds  int           // of the growth run
	moved   int           // finished deliveries of the organization that moves
	calm    time.Duration // of publishing before the organization moves
	soak    time.Duration // how long the soak publishes
	seed    uint64        // of the soak's random choices

	introduced *sync.Once // the first line of the output; nil: it is not printed
}

// leastTurns is how many turns a comparison needs at least: the median of fewer
// is decided by one disturbance.
const leastTurns = 3

// parse reads the arguments.
func parse(args []string) (options, error) {
	o := options{
		noop: 3 * time.Second, steady: 20 * time.Second, beside: 10 * time.Second, rate: 10_000,
		events: 6_000, reference: 10_000, priced: 3_000, hanging: 100_000, pairs: 3, flood: 5 * time.Second,
		history: 10_000_000, rounds: 15, moved: 1_000_000, calm: 15 * time.Second, soak: 10 * time.Minute, introduced: new(sync.Once),
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.only, "only", "", "only one `part`: "+strings.Join(partNames(), ", "))
	flags.BoolVar(&o.long, "long", false, "also growth, move and soak, which take much longer")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "the `number` with which the soak's random choices are repeated")
	flags.StringVar(&o.against, "against", "", "compare the speed of this tree with that of a `commit`, measured alternately")
	flags.IntVar(&o.turns, "turns", 5, fmt.Sprintf("how often both are measured in a comparison, at least %d times", leastTurns))
	measures := flags.String("measure", "", "compare only these `measurements`, with commas between them: "+strings.Join(allTurnMeasures(), ", "))
	flags.StringVar(&o.plans, "plans", "", "write the plans of the statements of the growth run or of the audit log's lists to this `file`")
	flags.BoolVar(&o.short, "short", false, "a tenth of everything, to see that it works")
	flags.StringVar(&o.profiles, "profiles", "", "write a CPU profile of every function process into this `folder`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		o.noop, o.steady, o.beside, o.calm, o.flood = time.Second, 6*time.Second, 2*time.Second, 1500*time.Millisecond, 2*time.Second
		o.events, o.reference, o.priced, o.hanging = 2_000, 5_000, 500, 10_000
		o.history, o.rounds, o.moved, o.soak = 1_000_000, 6, 50_000, 2*time.Minute
	}
	o.measures = turnMeasures
	if *measures != "" {
		o.measures = strings.Split(*measures, ",")
	}
	return o, o.check(*measures != "")
}

// check refuses what cannot be run.
func (o options) check(measures bool) error {
	if o.only != "" && !slices.Contains(partNames(), o.only) {
		return fmt.Errorf("there is no part %q: choose one of %s", o.only, strings.Join(partNames(), ", "))
	}
	if o.only != "" && o.long {
		return fmt.Errorf("-only and -long were both given: give -only to run one part, or -long to run all")
	}
	if o.against == "" && measures {
		return fmt.Errorf("-measure chooses what is compared: give a commit with -against as well")
	}
	for _, m := range o.measures {
		if !slices.Contains(allTurnMeasures(), m) {
			return fmt.Errorf("there is no measurement %q: choose from %s", m, strings.Join(allTurnMeasures(), ", "))
		}
	}
	if o.against != "" && o.turns < leastTurns && !o.short {
		return fmt.Errorf("-turns %d: the result of fewer than %d turns is not reliable; give -turns %d or more, or -short to see that it works", o.turns, leastTurns, leastTurns)
	}
	return nil
}
