// Package kinds has what staff change of the kinds of jobs: a pause, and how many of
// their jobs may run at a time. It counts in every database: a change is made in the
// home database, and a job for each other one copies it.
package kinds

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// ErrNotFound is returned when there is no kind with the name.
var ErrNotFound = fault.New(fault.NotFound, "job_kind_not_found", "There is no kind of jobs with this name.").
	Means("There is no kind of jobs with this name.")

// Override is what staff have changed of a kind.
type Override struct {
	Kind          string
	PausedAt      *time.Time // nil: its jobs run
	PausedBy      string     // who paused it, in the form of audit_entry.actor_id, or the kind of the job that did it
	PauseReason   string
	PerOrg, InAll int   // how many of its jobs may run at a time; 0: as the code declares
	Revision      int64 // grows with each change by staff
}

const columns = `kind, paused_at, coalesce(paused_by, '') AS paused_by, coalesce(pause_reason, '') AS pause_reason,
	coalesce(per_org, 0) AS per_org, coalesce(in_all, 0) AS in_all, revision`

// List returns what was changed in a database, by kind.
func List(ctx context.Context, q pg.Querier) (map[string]Override, error) {
	list, err := pg.List[Override](ctx, q, "kinds.List", `SELECT `+columns+` FROM job_kind`)
	byKind := make(map[string]Override, len(list))
	for _, o := range list {
		byKind[o.Kind] = o
	}
	return byKind, err
}

// get returns what was changed of a kind and locks it until the end of the
// transaction.
func get(ctx context.Context, tx pg.Tx, kind string) (Override, error) {
	err := pg.Exec(ctx, tx, "kinds.get", `INSERT INTO job_kind (kind) VALUES ($1) ON CONFLICT (kind) DO NOTHING`, kind)
	if err != nil {
		return Override{}, err
	}
	return pg.One[Override](ctx, tx, "kinds.get", ErrNotFound, `SELECT `+columns+` FROM job_kind WHERE kind = $1 FOR UPDATE`, kind)
}

// write stores the override. The next sweep finds out what may run now; another
// release may have the kind in another queue.
func (o Override) write(ctx context.Context, tx pg.Tx) error {
	for _, queue := range job.Queues {
		job.LookAgain(tx, queue)
	}
	return pg.Exec(ctx, tx, "kinds.write", `
		UPDATE job_kind SET paused_at = $2, paused_by = nullif($3, ''), pause_reason = nullif($4, ''), per_org = nullif($5::integer, 0), in_all = nullif($6::integer, 0),
			revision = $7, updated_at = portico_now() WHERE kind = $1`, o.Kind, o.PausedAt, o.PausedBy, o.PauseReason, o.PerOrg, o.InAll, o.Revision)
}

// Editor changes kinds in the home database. Each method returns the override before
// and after.
type Editor struct {
	Kinds *job.Registry
	By    string // who does it, in the form of audit_entry.actor_id
	// Others are the other databases, to which jobs copy the change as soon as they
	// can be reached.
	Others []string
}

// Pause lets no job of the kind start until Resume. Those that run go on.
func (e Editor) Pause(ctx context.Context, tx pg.Tx, kind, reason string) (before, after Override, err error) {
	return e.edit(ctx, tx, kind, func(o *Override, now time.Time) {
		if o.PausedAt == nil {
			o.PausedAt = &now
		}
		o.PausedBy, o.PauseReason = e.By, reason
	})
}

// Resume ends a pause, whoever began it.
func (e Editor) Resume(ctx context.Context, tx pg.Tx, kind string) (before, after Override, err error) {
	return e.edit(ctx, tx, kind, func(o *Override, _ time.Time) { o.PausedAt, o.PausedBy, o.PauseReason = nil, "", "" })
}

// Limit sets how many jobs may run at a time; nil leaves a number, 0 goes back to the
// code's.
func (e Editor) Limit(ctx context.Context, tx pg.Tx, kind string, perOrg, inAll *int) (before, after Override, err error) {
	return e.edit(ctx, tx, kind, func(o *Override, _ time.Time) {
		if perOrg != nil {
			o.PerOrg = *perOrg
		}
		if inAll != nil {
			o.InAll = *inAll
		}
	})
}

func (e Editor) edit(ctx context.Context, tx pg.Tx, kind string, change func(*Override, time.Time)) (before, after Override, err error) {
	if !e.Kinds.Has(kind) {
		return before, after, ErrNotFound
	}
	now, err := pg.Value[time.Time](ctx, tx, "kinds.edit", `SELECT portico_now()`)
	if err != nil {
		return before, after, err
	}
	if before, err = get(ctx, tx, kind); err != nil {
		return before, after, err
	}
	after = before
	change(&after, now)
	after.Revision = max(before.Revision+1, now.UnixMicro()) // grows even if the row was lost and made again
	if err := after.write(ctx, tx); err != nil {
		return before, after, err
	}
	for _, database := range e.Others {
		_, err := job.Add(ctx, tx, id.Org{}, copyKind, copyArgs{kind, database}, job.Options{Key: kind + " " + database, By: e.By})
		if err != nil {
			return before, after, err
		}
	}
	return before, after, nil
}
