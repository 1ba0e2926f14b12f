package schedule

import (
	"context"
	"encoding/json"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Editor changes the platform's schedules in the home database. Each method returns
// the schedule before and after.
type Editor struct {
	Kinds *job.Registry
	By    string // who does it, in the form of audit_entry.actor_id
	// Others are the other databases, which have the same schedules. With the change
	// a job for each is added that copies it, so it arrives there as soon as the
	// database can be reached.
	Others []string
}

// Change is what a person changes of a schedule; nil leaves a field as it is.
type Change struct {
	Cron, Timezone *string
	CatchUp        *CatchUp
	Args           json.RawMessage
	Enabled        *bool // false pauses it
}

// setting reports whether the change is about more than the pause.
func (c Change) setting() bool {
	return c.Cron != nil || c.Timezone != nil || c.CatchUp != nil || c.Args != nil
}

// Change changes a schedule. Deployments leave its setting from then on; they leave a
// pause in any case. A fault names the wrong field.
func (e Editor) Change(ctx context.Context, tx pg.Tx, name string, c Change) (before, after Schedule, err error) {
	return e.edit(ctx, tx, name, func(s *Schedule) {
		set(&s.Cron, c.Cron)
		set(&s.Timezone, c.Timezone)
		set(&s.CatchUp, c.CatchUp)
		set(&s.Enabled, c.Enabled)
		if c.Args != nil {
			s.Args = c.Args
		}
		s.Changed = s.Changed || c.setting()
	})
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// Reset goes back to what the code declares, and ends a pause.
func (e Editor) Reset(ctx context.Context, tx pg.Tx, name string) (before, after Schedule, err error) {
	return e.edit(ctx, tx, name, func(s *Schedule) { s.Setting, s.Changed, s.Enabled = s.Declared, false, true })
}

// RunNow adds the job of a schedule at once, one in each database, also if it is
// paused. Its planned times stay.
func (e Editor) RunNow(ctx context.Context, tx pg.Tx, name string) (before, after Schedule, err error) {
	before, after, err = e.edit(ctx, tx, name, func(s *Schedule) { s.Runs++ })
	if err == nil {
		err = after.run(ctx, tx, 1, e.By)
	}
	return before, after, err
}

// run adds jobs of the schedule that are due now.
func (s Schedule) run(ctx context.Context, tx pg.Tx, times int64, by string) error {
	for range times {
		if _, err := job.AddEncoded(ctx, tx, id.Org{}, s.Queue, s.Kind, s.Args, job.Options{By: by}); err != nil {
			return err
		}
	}
	return nil
}

func (e Editor) edit(ctx context.Context, tx pg.Tx, name string, change func(*Schedule)) (before, after Schedule, err error) {
	if before, err = get(ctx, tx, name); err != nil {
		return before, after, err
	}
	after = before
	change(&after)
	times, err := after.times(e.Kinds, after.Kind)
	if err != nil {
		return before, after, err
	}
	now, err := now(ctx, tx)
	if err != nil {
		return before, after, err
	}
	after.UpdatedAt, after.UpdatedBy = now, e.By
	after.Revision = max(before.Revision+1, now.UnixMicro()) // grows even if the schedule was removed and declared again
	after.plan(before, times, now)
	if err := after.write(ctx, tx); err != nil {
		return before, after, err
	}
	for _, database := range e.Others {
		_, err := job.Add(ctx, tx, id.Org{}, copyKind, copyArgs{name, database}, job.Options{Key: name + " " + database, By: e.By})
		if err != nil {
			return before, after, err
		}
	}
	return before, after, nil
}

// plan sets the next time. A planned time that has come and for which nobody fired yet
// stays, unless the schedule is paused: so each makes its job.
func (s *Schedule) plan(before Schedule, times Times, now time.Time) {
	other := before.Cron != s.Cron || before.Timezone != s.Timezone
	switch {
	case !s.Enabled:
		s.NextAt = nil
	case s.NextAt == nil, other && s.NextAt.After(now):
		s.NextAt = new(times.Next(now))
	}
}

// write stores a schedule. The sweep then finds out when it is due.
func (s Schedule) write(ctx context.Context, tx pg.Tx) error {
	declared, err := json.Marshal(s.Declared)
	if err != nil {
		return err
	}
	job.LookAgain(tx, s.Queue)
	return pg.Exec(ctx, tx, "schedule.write", `
		INSERT INTO job_schedule (org_id, name, queue, kind, cron, timezone, catch_up, args, declared, enabled, origin, next_at, updated_by, updated_at, revision, runs)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9::json, $10, $11, $12, nullif($13, ''), portico_now(), $14, $15)
		ON CONFLICT (org_id, name) DO UPDATE SET queue = excluded.queue, kind = excluded.kind, cron = excluded.cron, timezone = excluded.timezone,
			catch_up = excluded.catch_up, args = excluded.args, declared = excluded.declared, enabled = excluded.enabled, origin = excluded.origin,
			next_at = excluded.next_at, updated_by = excluded.updated_by, updated_at = excluded.updated_at, revision = excluded.revision, runs = excluded.runs`,
		platform, s.Name, s.Queue, s.Kind, s.Cron, s.Timezone, s.CatchUp, string(s.Args), string(declared), s.Enabled, s.Origin(), s.NextAt, s.UpdatedBy,
		s.Revision, s.Runs)
}
