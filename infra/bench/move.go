package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"
)

// moveRate is how many events a minute the organization publishes while it moves.
const moveRate = 3000

// move measures how an organization with a history moves to another database
// while it publishes at a steady rate, and how this affects its publishes.
func move(ctx context.Context, o options) error {
	b, err := start(ctx, o, settings{Databases: []string{"acme"}})
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.fillMoved(ctx); err != nil {
		return err
	}
	still := func(l *load) error { return b.atRate(ctx, l, moveRate, b.calm) }
	if err := b.measure(ctx, fmt.Sprintf("%d events/min, no move", moveRate), 1, still); err != nil {
		return err
	}
	for _, to := range []string{"acme", "home"} {
		if err := b.measure(ctx, fmt.Sprintf("%d events/min, moving to %s", moveRate, to), 1, b.whileMoving(ctx, to)); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nrun\tevents\tenqueue ms p50/p95/p99\tlongest ms\tpublish→receive ms p50/p95/p99\trefused\tlost\ttwice")
	for _, r := range b.rows {
		fmt.Fprintf(t, "%s\t%d\t%s\t%.0f\t%s\t%d\t%d\t%d\n", r.name, r.events, percentiles(r.enqueue),
			float64(percentile(r.enqueue, 100).Microseconds())/1000, percentiles(r.receive), r.failed, r.lost, r.again)
	}
	return t.Flush()
}

// whileMoving publishes until a move has ended.
func (b *bench) whileMoving(ctx context.Context, to string) func(*load) error {
	return func(l *load) error {
		begin := time.Now()
		moving, done := context.WithCancel(ctx)
		failed := make(chan error, 1)
		go func() {
			defer done()
			var reply struct {
				Rows    int    `json:"rows_copied"`
				Stopped string `json:"writers_stopped"`
				Quiet   string `json:"deliveries_quiet"`
			}
			err := b.invoke(ctx, "MoveFunction", fmt.Sprintf(`{"organization_id":%q,"database":%q}`, b.org, to), &reply)
			took := time.Since(begin)
			fmt.Printf("moved to %s: %d rows in %.1f s including erasing the old ones, %.0f rows/s; writers waited %s, no delivery was sent for %s\n",
				to, reply.Rows, took.Seconds(), float64(reply.Rows)/took.Seconds(), reply.Stopped, reply.Quiet)
			failed <- err
		}()
		var calls sync.WaitGroup
		for i := 0; until(moving, begin.Add(time.Duration(i)*time.Minute/moveRate)); i++ {
			calls.Go(func() { _ = b.publish(ctx, l, i, 1) }) // counted in l.fails
		}
		calls.Wait()
		return <-failed
	}
}

// fillMoved writes a history: events of 500 bytes, each delivered to one
// endpoint with one attempt.
func (b *bench) fillMoved(ctx context.Context) error {
	begin := time.Now()
	_, err := b.db.Exec(ctx, `
		WITH e AS (
			INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT o.id, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - $1 + n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
				'bench.event', convert_to(repeat('x', 500), 'UTF8'), now()
			FROM organization o, generate_series(1, $1::bigint) n WHERE o.name = 'Bench'
			RETURNING org_id, id
		), d AS (
			INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status, attempts, completed_at)
			SELECT org_id, id, org_id, id, 'delivered', 1, now() FROM e
		)
		INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, status_code, response_body)
		SELECT org_id, id, org_id, 1, now(), 1000, 200, 'ok' FROM e`, b.moved)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	for _, table := range []string{"event", "webhook_delivery", "webhook_attempt"} {
		if _, err := b.db.Exec(ctx, `VACUUM (ANALYZE) `+table); err != nil {
			return err
		}
	}
	fmt.Printf("%d events with their deliveries and attempts, filled in %s\n", b.moved, time.Since(begin).Round(time.Second))
	return nil
}
