// Package forget erases who an actor was from the audit log: name, address and program.
// What the actor did stays, and so do the hashes of the chain. It is a job that works in
// steps.
package forget

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// atOnce bounds the entries of a step, and so how long it holds their locks.
const atOnce = 1000

// ErrNotFound is what a caller of the API may be told.
var ErrNotFound = fault.New(fault.NotFound, "audit_actor_not_found", "The audit log has no entry of this actor.").
	Means("No entry of your audit log has an actor with this id. It is the actor's id in an entry, such as key_….")

// Args are the arguments of the job. They have no name and no address.
type Args struct {
	Actor string `json:"actor"`
	// Before is the id of a later entry than all that there were when the job was added.
	Before id.AuditEntry `json:"before"`
}

// Kind is the job. What a step erases and the place that it has reached commit together,
// so a killed one continues without a gap.
var Kind = job.Kind[Args]{Name: "audit_actor.forget", Queue: job.Bulk, PerOrg: 2, Visible: true, Work: job.Steps(step)}

// stragglersFor is how long after its id was made an entry can still be committed: a
// transaction does not last longer, see claim.quietFor.
const stragglersFor = 2 * time.Minute

// Start adds the job, for all entries that there are now, or returns ErrNotFound. by is in
// the form of audit_entry.actor_id. The job begins when all of them are committed.
func Start(ctx context.Context, tx pg.Tx, org id.Org, actor, by string) (id.Job, error) {
	type state struct {
		Found bool
		Now   time.Time
	}
	s, err := pg.Value[state](ctx, tx, "forget.Start", `
		SELECT EXISTS (SELECT FROM audit_entry WHERE org_id = $1 AND actor_id = $2) AS found, portico_now() AS now`, org, actor)
	if err != nil {
		return id.Job{}, err
	}
	if !s.Found {
		return id.Job{}, ErrNotFound
	}
	return job.Add(ctx, tx, org, Kind, Args{Actor: actor, Before: id.Floor[id.AuditEntry](s.Now)}, job.Options{By: by, Delay: stragglersFor})
}

// place is how far a job has come.
type place struct {
	Last      id.AuditEntry `json:"last"`
	Forgotten int64         `json:"forgotten"`
}

// ended is a step.
type ended struct {
	Last      *id.AuditEntry
	Forgotten int64
}

func step(ctx context.Context, tx pg.Tx, j job.Job, args Args, at place) (next place, more bool, err error) {
	e, err := pg.Value[ended](ctx, tx, "forget.step", `SELECT last, forgotten FROM forget_actor($1, $2, $3, $4)`,
		args.Actor, [16]byte(at.Last.UUID), args.Before, atOnce)
	if err != nil {
		return at, false, err
	}
	at.Forgotten += e.Forgotten
	j.Progress(at.Forgotten, 0, "")
	if e.Last == nil {
		return at, false, nil
	}
	at.Last = *e.Last
	return at, true, nil
}
