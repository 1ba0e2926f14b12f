// Package kinds has the kinds of jobs that bench adds to those of the functions: they
// do nothing but tell bench, over a socket, that they ran.
package kinds

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"sync"
	"time"

	"portico/shared/job"
)

// Socket is the environment variable with the address of bench's socket.
const Socket = "BENCH_SOCKET"

// Ran tells that the handler of a job runs.
type Ran struct {
	Number int       `json:"n"`
	At     time.Time `json:"at"`
	PID    int       `json:"pid"`
	Job    string    `json:"job"`
	Try    int       `json:"try"`
}

// Args are the arguments of the bench's jobs.
type Args struct {
	Number int           `json:"n"`
	Takes  time.Duration `json:"takes,omitempty"` // how long the handler waits
	Fails  float64       `json:"fails,omitempty"` // how likely a try fails
	Wanted int           `json:"steps,omitempty"` // of Steps
}

// Throttle is the rate of Paced.
var Throttle = job.Throttle{Name: "bench", PerSecond: 100, Burst: 10}

// Work of no kind: the functions register copies that have it, see All.
var (
	Nothing = job.Kind[Args]{Name: "bench.nothing", Queue: job.High}
	Mark    = job.Kind[Args]{Name: "bench.mark", Queue: job.High}
	Paced   = job.Kind[Args]{Name: "bench.paced", Queue: job.High, Throttle: &Throttle}
	Hog     = job.Kind[Args]{Name: "bench.hog", Queue: job.Bulk}
	Beside  = job.Kind[Args]{Name: "bench.beside", Queue: job.Bulk}
)

// All returns the kinds with their work.
func All() []job.Declared {
	nothing, mark, paced, hog, beside := Nothing, Mark, Paced, Hog, Beside
	nothing.Work = job.Call(func(context.Context, job.Job, Args) (struct{}, error) { return struct{}{}, nil }, nil)
	mark.Work = job.Call(tell, nil)
	paced.Work, beside.Work = mark.Work, mark.Work
	hog.Work = job.Call(wait, nil)
	return append([]job.Declared{nothing, mark, paced, hog, beside}, soaked()...)
}

func tell(_ context.Context, j job.Job, args Args) (struct{}, error) {
	return struct{}{}, send(j, args)
}

func wait(ctx context.Context, _ job.Job, args Args) (struct{}, error) {
	select {
	case <-ctx.Done():
	case <-time.After(args.Takes):
	}
	return struct{}{}, ctx.Err()
}

// bench is the connection to bench.
var bench = sync.OnceValues(func() (net.Conn, error) { return net.Dial("unixgram", os.Getenv(Socket)) })

// send blocks when bench has not read the earlier messages yet: none is lost.
func send(j job.Job, args Args) error {
	to, err := bench()
	if err != nil {
		return err
	}
	text, err := json.Marshal(Ran{Number: args.Number, At: time.Now(), PID: os.Getpid(), Job: j.ID.String(), Try: j.Try})
	if err != nil {
		return err
	}
	_, err = to.Write(text)
	return err
}
