package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// turnMode is the argument with which bench starts the bench of a tree as a
// process that measures on request, so that two trees can be measured
// alternately.
const turnMode = "turn"

// turnSizes are the sizes of one turn, the same on both sides.
type turnSizes struct {
	Rate              int // events a minute at the steady rate
	Steady            time.Duration
	Events, Reference int
}

// reading is the answer of a measurement in turn mode.
type reading struct {
	Figures []figure
	Problem string
}

type figure struct {
	Name  string
	Value float64
}

// turnMeasures are the names of the measurements, in the order of a turn.
var turnMeasures = []string{"reference", "steady", "singles", "singles10", "batches", "batches10", "drain"}

// turn runs a stack and, for each line of the input, the measurement that it
// names. The readings are written to file descriptor 3, the first one when the
// stack runs.
func turn(args []string) error {
	var sizes turnSizes
	if err := json.Unmarshal([]byte(args[0]), &sizes); err != nil {
		return err
	}
	ctx := context.Background()
	o := options{rate: sizes.Rate, steady: sizes.Steady, events: sizes.Events, reference: sizes.Reference}
	b, err := start(ctx, o, settings{})
	if err != nil {
		return err
	}
	defer b.close()
	replies := json.NewEncoder(os.NewFile(3, "readings"))
	if err := replies.Encode(reading{}); err != nil {
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
	}
	measure, ok := measures[name]
	if !ok {
		return nil, fmt.Errorf("there is no measurement %q", name)
	}
	if err := measure(ctx); err != nil {
		return nil, err
	}
	if name == "reference" {
		return []figure{{"reference loop: deliveries/s", b.figures["reference"]}}, nil
	}
	r := b.rows[len(b.rows)-1]
	if r.lost+r.again > 0 || r.failed > 0 {
		return nil, fmt.Errorf("%s: %d lost, %d twice, %d refused", r.name, r.lost, r.again, r.failed)
	}
	return append(r.figures(name), figure{name + ": CPU-s per 1,000, functions", r.cpu.functions}, figure{name + ": CPU-s per 1,000, Postgres", r.cpu.postgres}), b.awaitSleep(ctx)
}

// figures are the compared values of a row besides its CPU time: the latencies
// at a steady rate, otherwise the rate.
func (r row) figures(name string) []figure {
	if name != "steady" {
		return []figure{{name + ": deliveries/s", r.perSecond}}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []figure{
		{name + ": enqueue ms p50", ms(percentile(r.enqueue, 50))},
		{name + ": publish→receive ms p50", ms(percentile(r.receive, 50))},
		{name + ": publish→receive ms p99", ms(percentile(r.receive, 99))},
	}
}
