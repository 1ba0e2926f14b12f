package job

import (
	"context"
	"time"

	"portico/shared/pg"
)

// Throttle is the rate of an outside API. All runners of a database share it.
type Throttle struct {
	Name string
	// PerSecond and Burst are the rate with which it begins: how many jobs may start
	// per second, and at once after a pause (at least 1). SetRate changes the rate.
	PerSecond, Burst float64
}

// EnsureThrottles inserts the throttles of the kinds that have none yet. Without its
// throttle no job of a kind is claimed.
func (r *Registry) EnsureThrottles(ctx context.Context, db *pg.Worker) error {
	for _, name := range r.Names() {
		if t := r.kinds[name].throttle; t != nil {
			err := pg.Exec(ctx, db, "job.EnsureThrottles", `
				INSERT INTO job_throttle (name, per_second, burst) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`, t.Name, t.PerSecond, max(t.Burst, 1))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// SetRate sets the rate of a throttle.
func SetRate(ctx context.Context, db pg.Querier, t Throttle) error {
	return pg.Exec(ctx, db, "job.SetRate", `
		INSERT INTO job_throttle (name, per_second, burst) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst`, t.Name, t.PerSecond, max(t.Burst, 1))
}

// blockThrottle lets no job of a throttle start for a while, because the other side
// asked for that.
func blockThrottle(ctx context.Context, db *pg.Worker, name string, wait time.Duration) error {
	return pg.Exec(ctx, db, "job.blockThrottle", `
		UPDATE job_throttle SET blocked_until = greatest(blocked_until, portico_now() + $2) WHERE name = $1`, name, wait)
}
