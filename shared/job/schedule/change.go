package schedule

import (
	"context"
	"encoding/json"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Editor changes schedules. By is who does it, in the form of audit_entry.actor_id.
// Each change returns the schedule before and after.
type Editor struct {
	Kinds *job.Registry
	By    string
}

// Set changes when a schedule fires and with which arguments. Deployments leave it
// from then on. A fault names the wrong field.
func (e Editor) Set(ctx context.Context, tx pg.Tx, org id.Org, name string, to Setting) (before, after Schedule, err error) {
	return e.change(ctx, tx, org, name, func(s *Schedule) { s.Setting, s.Changed = to, true })
}

// Pause stops a schedule, or lets it go on with the next planned time.
func (e Editor) Pause(ctx context.Context, tx pg.Tx, org id.Org, name string, paused bool) (before, after Schedule, err error) {
	return e.change(ctx, tx, org, name, func(s *Schedule) { s.Enabled = !paused })
}

// Reset goes back to what the code declares.
func (e Editor) Reset(ctx context.Context, tx pg.Tx, org id.Org, name string) (before, after Schedule, err error) {
	return e.change(ctx, tx, org, name, func(s *Schedule) { s.Setting, s.Changed, s.Enabled = s.Declared, false, true })
}

// RunNow adds the job of a schedule at once. Its planned times stay.
func (e Editor) RunNow(ctx context.Context, tx pg.Tx, org id.Org, name string) (id.Job, error) {
	s, err := get(ctx, tx, org, name)
	if err != nil {
		return id.Job{}, err
	}
	return job.AddEncoded(ctx, tx, org, s.Queue, s.Kind, s.Args, job.Options{By: e.By})
}

func (e Editor) change(ctx context.Context, tx pg.Tx, org id.Org, name string, change func(*Schedule)) (before, after Schedule, err error) {
	if before, err = get(ctx, tx, org, name); err != nil {
		return before, after, err
	}
	after = before
	change(&after)
	times, err := after.times(e.Kinds, after.Kind)
	if err != nil {
		return before, after, err
	}
	now, err := pg.Value[time.Time](ctx, tx, "schedule.change", `SELECT portico_now()`)
	if err != nil {
		return before, after, err
	}
	after.NextAt, after.UpdatedAt, after.UpdatedBy = nil, now.UTC(), e.By
	if after.Enabled {
		next := times.Next(now)
		after.NextAt = &next
	}
	return before, after, write(ctx, tx, org, after)
}

// write stores a schedule.
func write(ctx context.Context, q pg.Querier, org id.Org, s Schedule) error {
	declared, err := json.Marshal(s.Declared)
	if err != nil {
		return err
	}
	origin := "code"
	if s.Changed {
		origin = "panel"
	}
	return pg.Exec(ctx, q, "schedule.write", `
		INSERT INTO job_schedule (org_id, name, queue, kind, cron, timezone, catch_up, args, declared, enabled, origin, next_at, updated_by, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9::json, $10, $11, $12, nullif($13, ''), portico_now())
		ON CONFLICT (org_id, name) DO UPDATE SET queue = excluded.queue, kind = excluded.kind, cron = excluded.cron, timezone = excluded.timezone,
			catch_up = excluded.catch_up, args = excluded.args, declared = excluded.declared, enabled = excluded.enabled, origin = excluded.origin,
			next_at = excluded.next_at, updated_by = excluded.updated_by, updated_at = excluded.updated_at`,
		[16]byte(org.UUID), s.Name, s.Queue, s.Kind, s.Cron, s.Timezone, s.CatchUp, string(s.Args), string(declared), s.Enabled, origin, s.NextAt, s.UpdatedBy)
}
