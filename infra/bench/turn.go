package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"portico/infra/bench/cost"
)

// turnMode is the argument with which bench starts the bench of a tree as a
// process that measures on request, so that two trees can be measured
// alternately.
const turnMode = "turn"

// turnSizes are the sizes of one turn, the same on both sides.
type turnSizes struct {
	Rate              int // events a minute at the steady rate
	Steady, Beside    time.Duration
	Events, Reference int
	Hanging           int
}

// reading is the answer of a measurement in turn mode.
type reading struct {
	Figures []figure
	Problem string
	Stack   string // in the first reading: what is measured where
}

type figure struct {
	Name  string
	Value float64
}

// turnMeasures are the names of the measurements, in the order of a turn.
var turnMeasures = []string{"reference", "steady", "singles", "singles10", "batches", "batches10", "drain", "retries"}

// allTurnMeasures has two more: neighbours takes longer and leaves a backlog, and
// limits are counted in memory nearly always.
func allTurnMeasures() []string { return append(slices.Clone(turnMeasures), "neighbours", "limits") }

// noMeasurement begins the problem of a measurement that a commit lacks.
const noMeasurement = "there is no measurement "

// turn runs a stack and, for each line of the input, the measurement that it
// names. The readings are written to file descriptor 3, the first one when the
// stack runs.
func turn(args []string) error {
	var sizes turnSizes
	if err := json.Unmarshal([]byte(args[0]), &sizes); err != nil {
		return err
	}
	ctx := context.Background()
	o := options{
		rate: sizes.Rate, steady: sizes.Steady, beside: sizes.Beside, events: sizes.Events, reference: sizes.Reference, hanging: sizes.Hanging, pairs: 1, flood: sizes.Beside,
	}
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	line, err := b.introduce(ctx)
	if err != nil {
		return err
	}
	replies := json.NewEncoder(os.NewFile(3, "readings"))
	if err := replies.Encode(reading{Stack: line}); err != nil {
		return err
	}
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		figures, err := b.takeTurn(ctx, requests.Text())
		r := reading{Figures: figures}
		if err != nil {
			r.Problem = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
	return requests.Err()
}

// takeTurn makes one measurement. At its start no dispatcher is awake and there
// is no backlog.
func (b *bench) takeTurn(ctx context.Context, name string) ([]figure, error) {
	measures := map[string]func(context.Context) error{
		"reference": b.measureReference,
		"steady":    b.measureSteady,
		"singles":   b.measureSingles(1),
		"singles10": b.measureSingles(10),
		"batches":   b.measureBatches(1),
		"batches10": b.measureBatches(10),
		"drain":     b.measureDrain,

		"retries":    b.measureRetries,
		"neighbours": b.measureNeighbours,
		"limits":     b.measureLimits,
	}
	measure, ok := measures[name]
	if !ok {
		return nil, fmt.Errorf(noMeasurement+"%q", name)
	}
	if err := measure(ctx); err != nil {
		return nil, err
	}
	switch name {
	case "reference":
		return []figure{{"reference loop: deliveries/s", b.figures["reference"]}}, nil
	case "limits":
		return b.limitFigures(), nil
	}
	r := b.rows[len(b.rows)-1]
	if r.lost+r.again > 0 || r.failed > 0 {
		return nil, fmt.Errorf("%s: %d lost, %d twice, %d refused", r.name, r.lost, r.again, r.failed)
	}
	if name == "neighbours" {
		p := b.crowd.pairs[len(b.crowd.pairs)-1]
		return []figure{
			{"neighbours: p95 beside a hanging endpoint / without it", p.ratio(95)},
			{"neighbours: p99 beside a hanging endpoint / without it", p.ratio(99)},
		}, b.awaitSleep(ctx)
	}
	return append(r.figures(name),
		figure{name + ": CPU-s per 1,000, functions", 1000 * r.used[cost.Functions]},
		figure{name + ": CPU-s per 1,000, Postgres", 1000 * r.used[cost.Postgres]},
		figure{name + ": CPU-s per 1,000, gateway", 1000 * r.used[cost.Gateway]},
		figure{name + ": WAL bytes per delivery", r.used[cost.Bytes]},
		figure{name + ": index entries per delivery", r.used[cost.Entries]},
	), b.awaitSleep(ctx)
}

func (b *bench) limitFigures() (list []figure) {
	for _, f := range b.limits.Figures() {
		list = append(list, figure{"limits: " + f.Name, f.Value})
	}
	return list
}

// figures are the compared values of a row besides what it used: the latencies
// at a steady rate, otherwise the rate. That of retries depends on their waits.
func (r row) figures(name string) []figure {
	switch name {
	case "retries":
		return nil
	case "steady":
		return []figure{
			{name + ": enqueue ms p50", ms(percentile(r.enqueue, 50))},
			{name + ": publish→receive ms p50", ms(percentile(r.receive, 50))},
			{name + ": publish→receive ms p99", ms(percentile(r.receive, 99))},
		}
	}
	return []figure{{name + ": deliveries/s", r.perSecond}}
}
