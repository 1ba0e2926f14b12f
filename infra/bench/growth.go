package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// grown is a stack with many finished deliveries.
type grown struct {
	*bench
	history int
	perSec  []float64 // drained
	samples map[string][]sample
}

// few is the short history to which the long one is compared.
const few = 10_000

// growth measures whether the queue becomes slower with history: two stacks, of
// which one has many finished deliveries, send the same backlogs alternately,
// and Postgres logs how long each statement takes.
func growth(ctx context.Context, o options) error {
	var both []*grown
	for _, history := range []int{few, o.history} {
		g, err := startGrown(ctx, o, history)
		if err != nil {
			return err
		}
		defer g.close()
		both = append(both, g)
	}
	if err := race(ctx, both, o.rounds); err != nil {
		return err
	}
	if err := reportGrowth(os.Stdout, both[0], both[1]); err != nil || o.plans == "" {
		return err
	}
	return both[1].explain(ctx)
}

// race runs their rounds alternately, and reads Postgres's log. Round 0 is for
// warming up and is not counted.
func race(ctx context.Context, both []*grown, rounds int) error {
	for i := range rounds + 1 {
		fmt.Fprintf(os.Stderr, "  growth: round %d of %d\n", i, rounds)
		for _, g := range both {
			if err := g.round(ctx, i); err != nil {
				return err
			}
			if i > 0 {
				continue
			}
			if err := g.setPostgres(ctx, map[string]string{"log_min_duration_statement": "0"}); err != nil {
				return err
			}
		}
	}
	for _, g := range both {
		messages, err := g.readLog(ctx)
		if err != nil {
			return err
		}
		g.samples = samples(messages)
	}
	return nil
}

func startGrown(ctx context.Context, o options, history int) (*grown, error) {
	b, err := start(ctx, o, settings{Idle: "1s"})
	if err != nil {
		return nil, err
	}
	g := &grown{bench: b, history: history}
	if _, err = b.createEndpoints(ctx, receivers); err == nil {
		err = g.fill(ctx)
	}
	if err == nil {
		err = b.logStatements(ctx)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return g, nil
}

// historySQL lists the organizations of a history with their endpoints.
const historySQL = `
	CREATE TABLE history AS
	SELECT (row_number() OVER (ORDER BY org_id) - 1) AS number, org_id, endpoints FROM (
		SELECT org_id, array_agg(id) AS endpoints FROM webhook_endpoint GROUP BY org_id
		UNION ALL
		SELECT gen_random_uuid(), array(SELECT gen_random_uuid() FROM generate_series(1, 10) WHERE o > 0) FROM generate_series(1, 9) o
	) o`

// fill writes the history: ten organizations, the measured one among them, with
// ten endpoints each; their events, in turn, since the quarter began; each is
// delivered to all ten.
func (g *grown) fill(ctx context.Context) error {
	begin := time.Now()
	const perEvent, chunk = receivers, 50_000
	if _, err := g.db.Exec(ctx, historySQL); err != nil {
		return err
	}
	events := g.history / perEvent
	for first := 0; first < events; first += chunk {
		last := min(first+chunk, events) - 1
		if _, err := g.db.Exec(ctx, `
			INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status, attempts, completed_at)
			SELECT h.org_id, (prefix || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid, e.id,
				(prefix || '7' || substr(md5(e.id::text || n), 1, 3) || '8' || substr(md5(e.id::text || n), 4, 15))::uuid,
				'delivered', 1, at + interval '50 ms'
			FROM generate_series($1::bigint, $2::bigint) n
			JOIN history h ON h.number = n % 10
			CROSS JOIN LATERAL (SELECT q + (now() - q) * n / $3::bigint AS at FROM date_trunc('quarter', now(), 'UTC') q) t
			CROSS JOIN LATERAL (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS prefix) p
			CROSS JOIN unnest(h.endpoints) AS e (id)
			ORDER BY n`, first, last, events); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		fmt.Fprintf(os.Stderr, "  growth: %d of %d finished deliveries after %s\n", (last+1)*perEvent, g.history, time.Since(begin).Round(time.Second))
	}
	for _, sql := range []string{`DROP TABLE history`, `VACUUM (ANALYZE) webhook_delivery`, `CHECKPOINT`} {
		if _, err := g.db.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	var size string
	if err := g.db.QueryRow(ctx, `
		SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) FROM pg_inherits WHERE inhparent = 'webhook_delivery'::regclass`).Scan(&size); err != nil {
		return err
	}
	fmt.Printf("%d finished deliveries: %s, filled in %s\n", g.history, size, time.Since(begin).Round(time.Second))
	return nil
}

// round gives a dispatcher that was asleep a backlog of 2,000, and publishes a
// few more events through the API.
func (g *grown) round(ctx context.Context, number int) error {
	const events, more = 200, 10
	if err := g.awaitFinished(ctx); err != nil {
		return err
	}
	l := newLoad(number)
	if err := g.backlog(ctx, l, "bench.event", events); err != nil {
		return err
	}
	start := time.Now()
	for i := range more { // the first one wakes the dispatcher
		if err := g.publish(ctx, l, events+i, 1); err != nil {
			return err
		}
	}
	n := (events + more) * receivers
	if err := g.inbox.await(n); err != nil {
		return err
	}
	if number > 0 {
		g.perSec = append(g.perSec, float64(n)/time.Since(start).Seconds())
	}
	g.inbox.take()
	return g.lists(ctx)
}

// lists reads pages of deliveries and events that match rarely, so that as many rows as
// possible are read for them.
func (g *grown) lists(ctx context.Context) error {
	for _, path := range []string{
		"/v1/deliveries", "/v1/deliveries?status=failed", "/v1/deliveries?answer=tls&until=2100-01-01T00:00:00Z", "/v1/deliveries?type=none.*",
		"/v1/events?type=none.*",
	} {
		if status, reply, err := g.call(ctx, http.MethodGet, path, nil); err != nil || status != http.StatusOK {
			return fmt.Errorf("%s: %d %s %w", path, status, reply, err)
		}
	}
	return nil
}

// awaitFinished waits until nothing is pending and no dispatcher is awake.
func (g *grown) awaitFinished(ctx context.Context) error {
	for pending := true; pending; {
		if err := g.awaitSleep(ctx); err != nil {
			return err
		}
		if err := g.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM webhook_delivery WHERE status = 'pending')`).Scan(&pending); err != nil {
			return err
		}
	}
	return nil
}

func reportGrowth(w io.Writer, short, long *grown) error {
	median := func(rates []float64) float64 {
		slices.Sort(rates)
		return rates[len(rates)/2]
	}
	fmt.Fprintf(w, "\ngrowth: drain of a backlog of 2,000, median of %d: %.0f deliveries/s with %d finished, %.0f/s with %d (%.2f times)\n\n",
		len(long.perSec), median(short.perSec), short.history, median(long.perSec), long.history, median(long.perSec)/median(short.perSec))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "statement\tn\twith %d: ms median / p99\tn\twith %d: ms median / p99\tmedian, times\tp99, times\n", short.history, long.history)
	for _, statement := range statements {
		a, b := durations(short.samples[statement.name]), durations(long.samples[statement.name])
		if len(a) == 0 || len(b) == 0 {
			if !statement.rare {
				return fmt.Errorf("the log has no statement %q: its text has changed; correct it in infra/bench/pglog.go", statement.name)
			}
			continue
		}
		ms := func(d []time.Duration, p int) float64 { return float64(percentile(d, p).Microseconds()) / 1000 }
		fmt.Fprintf(t, "%s\t%d\t%.3f / %.3f\t%d\t%.3f / %.3f\t%.2f\t%.2f\n", statement.name, len(a), ms(a, 50), ms(a, 99),
			len(b), ms(b, 50), ms(b, 99), ms(b, 50)/ms(a, 50), ms(b, 99)/ms(a, 99))
	}
	return t.Flush()
}

func durations(list []sample) (d []time.Duration) {
	for _, s := range list {
		d = append(d, s.took)
	}
	return d
}

// explain writes the plan of each statement: of the execution that read the most
// buffers while 2,000 deliveries and a batch with ordering keys are due.
func (g *grown) explain(ctx context.Context) error {
	if err := g.setPostgres(ctx, map[string]string{
		"log_min_duration_statement": "-1", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on",
	}); err != nil {
		return err
	}
	if _, err := g.createEndpointWith(ctx, g.inbox.url(0), "bench.ordered", `,"ordered":true`); err != nil {
		return err
	}
	if err := g.awaitFinished(ctx); err != nil {
		return err
	}
	if err := g.backlog(ctx, newLoad(-1), "bench.event", 200); err != nil {
		return err
	}
	events := make([]string, 100)
	for i := range events {
		events[i] = fmt.Sprintf(`{"type":"bench.ordered","ordering_key":"%d","data":{"run":-2,"n":%d}}`, i%10, i)
	}
	status, reply, err := g.call(ctx, http.MethodPost, "/v1/events/batch", []byte(`{"events":[`+strings.Join(events, ",")+`]}`))
	if err != nil || status != http.StatusAccepted {
		return fmt.Errorf("publish: %d %s %w", status, reply, err)
	}
	if err := g.publish(ctx, newLoad(-3), 0, 100); err != nil {
		return err
	}
	if err := g.lists(ctx); err != nil {
		return err
	}
	if err := g.awaitFinished(ctx); err != nil {
		return err
	}
	messages, err := g.readLog(ctx)
	if err != nil {
		return err
	}
	return writePlans(g.plans, samples(messages))
}

func writePlans(file string, all map[string][]sample) error {
	var out strings.Builder
	for _, statement := range statements {
		list := slices.DeleteFunc(all[statement.name], func(s sample) bool { return s.plan == "" })
		if len(list) == 0 {
			return fmt.Errorf("the log has no plan of %q: its text has changed; correct it in infra/bench/pglog.go", statement.name)
		}
		most := slices.MaxFunc(list, func(a, b sample) int { return a.read() - b.read() })
		fmt.Fprintf(&out, "%s: %s\n\n%s\n\n", statement.name, most.took, most.plan)
	}
	return os.WriteFile(file, []byte(out.String()), 0o644)
}
