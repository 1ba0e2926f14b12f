package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// crowd is an endpoint that never answers and has a long backlog. Its breaker is
// open except while it is measured, so that the runs with and without it have
// the same tables.
type crowd struct {
	id  string
	url string

	mu    sync.Mutex
	gone  chan struct{} // closed to hang up
	pairs []pair
}

// pair is publish→receive of two runs, one right after the other.
type pair struct{ alone, beside []time.Duration }

func (p pair) ratio(percent int) float64 {
	return float64(percentile(p.beside, percent)) / float64(percentile(p.alone, percent))
}

// measureNeighbours measures an endpoint at a steady rate alone and beside one
// that hangs, alternately.
func (b *bench) measureNeighbours(ctx context.Context) error {
	if err := b.startCrowd(ctx); err != nil {
		return err
	}
	for range b.pairs {
		var p pair
		order := []bool{false, true}
		if len(b.crowd.pairs)%2 == 1 {
			slices.Reverse(order)
		}
		for _, hangs := range order {
			took, err := b.besideCrowd(ctx, hangs)
			if err != nil {
				return err
			}
			if hangs {
				p.beside = took
			} else {
				p.alone = took
			}
		}
		b.crowd.pairs = append(b.crowd.pairs, p)
	}
	return nil
}

// besideCrowd returns publish→receive of a run.
func (b *bench) besideCrowd(ctx context.Context, hangs bool) ([]time.Duration, error) {
	name := fmt.Sprintf("%d events/min for %s, no endpoint hangs", b.rate, b.beside)
	if hangs {
		name = fmt.Sprintf("… beside a hanging endpoint with %d due", b.hanging)
		if err := b.setBreaker(ctx, b.crowd.id, false); err != nil {
			return nil, err
		}
	}
	if err := b.measure(ctx, name, 1, func(l *load) error { return b.atRate(ctx, l, b.rate, b.beside) }); err != nil {
		return nil, err
	}
	return b.rows[len(b.rows)-1].receive, b.calmCrowd(ctx)
}

// calmCrowd opens the breaker, hangs up, and waits until nothing is in flight.
func (b *bench) calmCrowd(ctx context.Context) error {
	if err := b.setBreaker(ctx, b.crowd.id, true); err != nil {
		return err
	}
	ids, err := uuids([]string{b.crowd.id})
	for leased := true; leased && err == nil && until(ctx, time.Now().Add(20*time.Millisecond)); {
		b.crowd.hangUp()
		err = b.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM webhook_delivery WHERE endpoint_id = $1 AND status = 'pending' AND lease IS NOT NULL)`, ids[0]).Scan(&leased)
	}
	return err
}

// startCrowd makes the endpoint and its backlog once.
func (b *bench) startCrowd(ctx context.Context) error {
	if b.crowd != nil {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := &crowd{url: "http://" + l.Addr().String() + "/", gone: make(chan struct{})}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: c}
	go func() { _ = server.Serve(l) }() // ends with the process
	// No try times out during a run: the breaker would open.
	if c.id, err = b.createBroken(ctx, c.url, "bench.hang", `,"timeout_seconds":30`); err != nil {
		return err
	}
	progress("backlog of %d for a hanging endpoint …", b.hanging)
	b.crowd = c
	return b.backlog(ctx, newLoad(-1), "bench.hang", b.hanging)
}

// ServeHTTP never answers.
func (c *crowd) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	select {
	case <-r.Context().Done():
	case <-gone:
	}
	panic(http.ErrAbortHandler) // closes the connection, silently
}

func (c *crowd) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.gone)
	c.gone = make(chan struct{})
}

// report prints each pair and the median of the ratios.
func (c *crowd) report(w io.Writer) {
	fmt.Fprintln(w)
	for _, percent := range []int{95, 99} {
		var ratios []float64
		fmt.Fprintf(w, "publish→receive p%d in ms beside a hanging endpoint / without it:", percent)
		for _, p := range c.pairs {
			ratios = append(ratios, p.ratio(percent))
			fmt.Fprintf(w, "  %.1f / %.1f = %.2f", ms(percentile(p.beside, percent)), ms(percentile(p.alone, percent)), p.ratio(percent))
		}
		fmt.Fprintf(w, "; median %.2f\n", median(ratios))
	}
}
