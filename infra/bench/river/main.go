// Command river does the same work as the jobs of bench with River, on a database of
// its own. It gets a request per line of its input and answers each with a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// request is a measurement.
type request struct {
	Do     string        // drain, pickup, neighbours
	Jobs   int           // drain: how many; neighbours: of the one that has many
	Rate   int           // pickup, neighbours: jobs a second
	Last   time.Duration // pickup, neighbours: how long they are added
	Takes  time.Duration // neighbours: how long each of the many jobs takes
	Warmup time.Duration // pickup: how long before latencies count
}

// reply is its result.
type reply struct {
	Took      time.Duration   // drain
	Latencies []time.Duration // from the commit until the handler runs
	Left      int             // jobs that had not begun when the measurement ended
	Problem   string
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(os.Args[1])
	if err != nil {
		return err
	}
	config.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	replies := json.NewEncoder(os.Stdout)
	if err := replies.Encode(settings); err != nil {
		return err
	}
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		var q request
		if err := json.Unmarshal(requests.Bytes(), &q); err != nil {
			return err
		}
		r, err := measure(ctx, pool, q)
		if err != nil {
			r.Problem = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
	return requests.Err()
}
