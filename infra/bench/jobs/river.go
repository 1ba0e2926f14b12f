package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"time"
)

// river is a process that does the same work with River: infra/bench/river, a module
// of its own.
type river struct {
	process  *exec.Cmd
	input    io.WriteCloser
	output   *json.Decoder
	settings string
}

// riverRequest and riverReply are those of infra/bench/river.
type riverRequest struct {
	Do                  string
	Jobs, Rate          int
	Last, Takes, Warmup time.Duration
}

type riverReply struct {
	Took      time.Duration
	Latencies []time.Duration
	Left      int
	Problem   string
}

// errNoRiver says what to do if River cannot be built.
var errNoRiver = errors.New("the figures of River are missing, because its program could not be built: its modules come from the Go module proxy, so run `go -C infra/bench/river mod download` where that can be reached, and try again")

// startRiver builds River's program and starts it on a database of its own on the same
// server.
func (s Stack) startRiver(ctx context.Context) (*river, error) {
	const binary = ".local/bin/bench-river"
	build := exec.CommandContext(ctx, "go", "build", "-C", "infra/bench/river", "-o", "../../../"+binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %w\n%s", errNoRiver, err, out)
	}
	if _, err := s.DB.Exec(ctx, `CREATE DATABASE river`); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	u.Path = "/river"
	r := &river{process: exec.Command(binary, u.String())}
	r.process.Stderr = os.Stderr
	if r.input, err = r.process.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := r.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	r.output = json.NewDecoder(output)
	return r, r.output.Decode(&r.settings)
}

func (r *river) measure(q riverRequest) (riverReply, error) {
	if err := json.NewEncoder(r.input).Encode(q); err != nil {
		return riverReply{}, err
	}
	var reply riverReply
	err := r.output.Decode(&reply)
	if err == nil && reply.Problem != "" {
		err = errors.New(reply.Problem)
	}
	if err != nil {
		err = fmt.Errorf("the program of River, %s: %w", q.Do, err)
	}
	return reply, err
}

func (r *river) close() {
	_ = r.input.Close()
	_ = r.process.Wait()
}
