package jobs

import (
	"context"
	"fmt"
	"os"
	"time"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Growth measures whether claims become slower with a million scheduled and ten
// million finished jobs.
func Growth(ctx context.Context, s Stack) error {
	b, err := newBed(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	scheduled, finished := 1_000_000, 10_000_000
	if b.Short {
		scheduled, finished = 50_000, 200_000
	}
	few, err := b.claims(ctx)
	if err != nil {
		return err
	}
	if err := b.fillScheduled(ctx, scheduled); err != nil {
		return err
	}
	later, err := b.claims(ctx)
	if err != nil {
		return err
	}
	if err := b.fillFinished(ctx, finished); err != nil {
		return err
	}
	many, err := b.claims(ctx)
	if err != nil {
		return err
	}
	b.Add("claim of 20 jobs, nothing else in the tables", "", budget.None, "%s", exact(few))
	for _, with := range []struct {
		what string
		took []time.Duration
	}{{fmt.Sprintf("… with %d scheduled", scheduled), later}, {fmt.Sprintf("… and %d finished", finished), many}} {
		ratio := budget.Percentile(with.took, 50) / budget.Percentile(few, 50)
		b.Add(with.what, "≤ 1.2 ×", budget.Judge(ratio <= 1.2), "%s; %.2f ×", exact(with.took), ratio)
	}
	b.report("Claims beside many jobs")
	return nil
}

func exact(d []time.Duration) string {
	return fmt.Sprintf("p50 %.3f ms, p99 %.3f ms", budget.Percentile(d, 50), budget.Percentile(d, 99))
}

// claims measures claims from a backlog of 20,000, which it deletes at the end.
func (b *bed) claims(ctx context.Context) ([]time.Duration, error) {
	const jobs, room = 20_000, 20
	b.Progress("claims from a backlog of %d …", jobs)
	registry, err := job.NewRegistry(kinds.All()...)
	if err != nil {
		return nil, err
	}
	r := &job.Runner{DB: b.silent, Worker: b.worker, Database: pg.Home, Queue: job.High, Kinds: registry, Clock: clock.New(0), Log: observe.NewLog(os.Stderr, "bench")}
	if err := b.backlog(ctx, kinds.Nothing, jobs, kinds.Args{}); err != nil {
		return nil, err
	}
	if _, err := b.DB.Exec(ctx, `VACUUM ANALYZE job`); err != nil {
		return nil, err
	}
	var took []time.Duration
	turn := []claim.Turn[job.Lane]{{Lane: job.Lane{OrgID: b.org, Kind: kinds.Nothing.Name}, Room: room}}
	for i := range jobs / room {
		began := time.Now()
		claimed, err := r.Claim(ctx, turn)
		if err != nil {
			return nil, err
		}
		if len(claimed) != room {
			return nil, fmt.Errorf("a claim got %d jobs of %d", len(claimed), room)
		}
		if i >= 50 { // the statement is prepared and its plan is chosen
			took = append(took, time.Since(began))
		}
	}
	if _, err := b.DB.Exec(ctx, `DELETE FROM job WHERE status = 'pending'`); err != nil {
		return nil, err
	}
	_, err = b.DB.Exec(ctx, `VACUUM job`)
	return took, err
}

// fillScheduled adds jobs that are due in the next months, as reminders are.
func (b *bed) fillScheduled(ctx context.Context, n int) error {
	return b.fill(ctx, n, "scheduled", `
		INSERT INTO job (org_id, id, queue, kind, status, due_at, args)
		SELECT $1, gen_random_uuid(), 'high', 'bench.nothing', 'scheduled', portico_now() + interval '1 day' + n * interval '5 seconds', '{"n":1}'
		FROM generate_series($2::int, $3::int) n`)
}

// fillFinished fills the log of this month.
func (b *bed) fillFinished(ctx context.Context, n int) error {
	return b.fill(ctx, n, "finished", `
		INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, progress_note, request_id, args)
		SELECT $1, (p.prefix || '7' || substr(m.text, 1, 3) || '8' || substr(m.text, 4, 15))::uuid, (p.prefix || '7' || substr(m.text, 16, 3) || '8' || substr(m.text, 1, 15))::uuid,
			portico_now(), 0, 0, 0, 0, 'succeeded', 'high', 'bench.nothing', '', '', '{"n":1}'
		FROM generate_series($2::int, $3::int) n CROSS JOIN LATERAL (SELECT md5(n::text)) AS m (text)
		CROSS JOIN LATERAL (SELECT lpad(to_hex((extract(epoch FROM portico_now()) * 1000)::bigint + n / 1000), 12, '0')) AS p (prefix)`)
}

func (b *bed) fill(ctx context.Context, n int, what, sql string) error {
	const chunk = 250_000
	began := time.Now()
	for first := 0; first < n; first += chunk {
		if _, err := b.DB.Exec(ctx, sql, b.org.UUID, first, min(first+chunk, n)-1); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		b.Progress("  %d of %d %s after %s", min(first+chunk, n), n, what, time.Since(began).Round(time.Second))
	}
	for _, table := range []string{"job", "job_log"} {
		if _, err := b.DB.Exec(ctx, `VACUUM ANALYZE `+table); err != nil {
			return err
		}
	}
	_, err := b.DB.Exec(ctx, `CHECKPOINT`)
	return err
}
