package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// measureFairness measures one endpoint at a steady rate twice: alone, and
// beside an endpoint that never answers and has a long backlog, which was due
// before.
func (b *bench) measureFairness(ctx context.Context) error {
	alone, err := b.fairnessRow(ctx, "steady rate, no endpoint hangs")
	if err != nil {
		return err
	}
	url, stop, err := hangingServer()
	if err != nil {
		return err
	}
	defer stop()
	hanging, err := b.createEndpoint(ctx, url, "bench.hang")
	if err != nil {
		return err
	}
	fmt.Printf("backlog of %d for a hanging endpoint …\n", b.hanging)
	if err := b.backlog(ctx, newLoad(-1), "bench.hang", b.hanging); err != nil {
		return err
	}
	beside, err := b.fairnessRow(ctx, fmt.Sprintf("… beside a hanging endpoint with %d due", b.hanging))
	if err != nil {
		return err
	}
	b.figures["fairness"] = float64(percentile(beside.receive, 99)) / float64(percentile(alone.receive, 99))
	return b.deleteEndpoints(ctx, []string{hanging})
}

func (b *bench) fairnessRow(ctx context.Context, name string) (row, error) {
	err := b.measure(ctx, name, 1, func(l *load) error { return b.atRate(ctx, l, b.rate, b.steady/2) })
	return b.rows[len(b.rows)-1], err
}

// hangingServer takes requests and never answers.
func hangingServer() (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})}
	go func() { _ = server.Serve(l) }() // ends with stop
	return "http://" + l.Addr().String() + "/", func() { _ = server.Close() }, nil
}
