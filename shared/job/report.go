package job

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"portico/shared/observe"
	"portico/shared/pg"
)

// countEvery is how often a runner adds its counts to job_stat while it is busy.
const countEvery = 5 * time.Second

// counts are results by lane that are not yet in job_stat.
type counts struct {
	mu     sync.Mutex
	byLane map[Lane]count
	saved  time.Time
}

type count struct{ succeeded, failed, dead, took int64 }

func (c *counts) add(results []Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byLane == nil {
		c.byLane = map[Lane]count{}
	}
	for _, r := range results {
		n := c.byLane[r.Lane]
		n.took += r.took.Milliseconds()
		switch {
		case r.outcome == succeeded:
			n.succeeded++
		case r.outcome == dead:
			n.dead++
			fallthrough
		case r.tried:
			n.failed++
		}
		c.byLane[r.Lane] = n
	}
}

// take returns the counts and forgets them, at most once in every.
func (c *counts) take(every time.Duration) map[Lane]count {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.saved) < every {
		return nil
	}
	taken := c.byLane
	c.byLane, c.saved = nil, time.Now()
	return taken
}

// saveCounts adds what this runner has counted to job_stat, at most once in every.
// If that fails, the counts are lost.
func (r *Runner) saveCounts(ctx context.Context, every time.Duration) {
	taken := r.counts.take(every)
	if len(taken) == 0 {
		return
	}
	var orgs [][16]byte
	var kinds []string
	var succeeded, failed, dead, took []int64
	for lane, n := range taken {
		orgs, kinds = append(orgs, raw(lane.OrgID)), append(kinds, lane.Kind)
		succeeded, failed, dead, took = append(succeeded, n.succeeded), append(failed, n.failed), append(dead, n.dead), append(took, n.took)
	}
	// In one order, so that two runners cannot deadlock. The counts of an organization
	// that was erased meanwhile are dropped.
	err := pg.Exec(ctx, r.Worker, "job.saveCounts", `
		INSERT INTO job_stat (org_id, hour, kind, succeeded, failed, dead, run_time)
		SELECT n.org_id, date_trunc('hour', portico_now(), 'UTC'), n.kind, n.succeeded, n.failed, n.dead, n.took
		FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS n (org_id, kind, succeeded, failed, dead, took)
		WHERE NOT EXISTS (SELECT FROM organization o WHERE o.id = n.org_id AND o.deleted_at IS NOT NULL)
			AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = n.org_id AND p.until > portico_now())
		ORDER BY n.org_id, n.kind
		ON CONFLICT (org_id, hour, kind) DO UPDATE SET succeeded = job_stat.succeeded + excluded.succeeded, failed = job_stat.failed + excluded.failed,
			dead = job_stat.dead + excluded.dead, run_time = job_stat.run_time + excluded.run_time`,
		orgs, kinds, succeeded, failed, dead, took)
	if err != nil {
		r.warn(ctx, "jobs could not be counted", err)
	}
}

// maxValues is how many values a metric of one log line may have. Of a larger batch
// every second, third … one is reported.
const maxValues = 100

// sample returns at most so many of the values, evenly.
func sample(values []float64, atMost int) []float64 {
	if len(values) <= atMost {
		return values
	}
	step := (len(values) + atMost - 1) / atMost
	some := make([]float64, 0, atMost)
	for i := 0; i < len(values); i += step {
		some = append(some, values[i])
	}
	return some
}

// report logs a batch in one line, with metrics.
func (r *Runner) report(ctx context.Context, batch []Result) {
	var done, failed, died, left float64
	var pickup []float64
	var requests []string
	for _, result := range batch {
		switch {
		case result.outcome == succeeded:
			done++
		case result.outcome == lost:
			left++
		case result.outcome == dead:
			died++
			fallthrough
		case result.tried:
			failed++
			if result.RequestID != "" && len(requests) < 10 {
				requests = append(requests, result.RequestID)
			}
		}
		if result.Attempts == 0 && result.Crashes == 0 && !result.Restricted {
			pickup = append(pickup, float64(result.claimed.Sub(result.Due).Microseconds())/1000)
		}
	}
	attrs := []slog.Attr{slog.String("queue", string(r.Queue))}
	if requests != nil {
		attrs = append(attrs, slog.Any("failed_requests", requests))
	}
	r.Log.Line(ctx, slog.LevelInfo, "jobs recorded", []observe.Metric{
		observe.One("JobsSucceeded", observe.Count, done),
		observe.One("JobsFailed", observe.Count, failed),
		observe.One("JobsDead", observe.Count, died),
		observe.One("JobLeasesLost", observe.Count, left),
		{Name: "JobPickup", Unit: observe.Milliseconds, Values: sample(pickup, maxValues)},
	}, attrs...)
}

// PruneCounts deletes up to atMost rows of job_stat that are older than keep, and
// returns how many.
func PruneCounts(ctx context.Context, db *pg.Worker, keep time.Duration, atMost int) (int64, error) {
	return pg.Affect(ctx, db, "job.PruneCounts", `
		DELETE FROM job_stat WHERE ctid = ANY (ARRAY(SELECT ctid FROM job_stat WHERE hour < portico_now() - $1::interval LIMIT $2))`, keep, atMost)
}
