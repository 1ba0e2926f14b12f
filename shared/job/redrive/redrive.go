// Package redrive lets many dead jobs be tried again, at a rate. A redrive is a job
// itself, so it has progress, can be cancelled, and continues after a crash.
package redrive

import (
	"context"
	"errors"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Filter selects dead jobs. Empty fields select all.
type Filter struct {
	Org         *id.Org    `json:"organization_id,omitempty"` // only of Everywhere
	Kinds       []string   `json:"kinds"`
	Chosen      bool       `json:"chosen,omitempty"` // a person has chosen the one kind
	Fingerprint string     `json:"fingerprint,omitempty"`
	Since       *time.Time `json:"since,omitempty"` // when they died
	Until       *time.Time `json:"until,omitempty"`
}

// Args are the arguments of a redrive.
type Args struct {
	Filter    Filter `json:"filter"`
	PerSecond int    `json:"per_second"`
	// Began is when it was asked for. Jobs that died later are left, so a job that
	// dies again is not redriven again.
	Began clock.Stamp `json:"began"`
}

// MaxPerSecond is the highest rate of a redrive.
const MaxPerSecond = 100

const (
	// readAtOnce bounds the dead jobs that one step reads.
	readAtOnce = 1000
	// countAtMost bounds the dead jobs that the count at the beginning reads.
	countAtMost = 100_000
	// lockAtMost is how long a redrive of all organizations waits for a job that another
	// transaction has locked.
	lockAtMost = 100 * time.Millisecond
)

const ownName = "job.redrive"

// Own redrives dead jobs of its organization.
var Own = job.Kind[Args]{
	Name: ownName, Queue: job.Bulk, Visible: true,
	Work: job.Steps(ownStep),
}

// cursor is how far a redrive has come.
type cursor struct {
	After id.Job    `json:"after,omitzero"` // the last dead job that was read
	Next  time.Time `json:"next,omitzero"`  // when the rate allows the next step
	Done  int64     `json:"done"`
	Total int64     `json:"total"`
}

// New returns the arguments of a redrive that begins now, by the clock of the
// transaction's database.
func New(ctx context.Context, tx pg.Tx, f Filter, perSecond int) (Args, error) {
	began, err := pg.Value[time.Time](ctx, tx, "redrive.New", `SELECT portico_now()`)
	return Args{Filter: f, PerSecond: perSecond, Began: clock.Stamp(began)}, err
}

// ownStep redrives what the rate allows for a second, in the order of the jobs' ids.
func ownStep(ctx context.Context, tx pg.Tx, j job.Job, args Args, at cursor) (next cursor, more bool, err error) {
	now, err := pg.Value[time.Time](ctx, tx, "redrive.ownStep", `SELECT portico_now()`)
	if err != nil {
		return at, false, err
	}
	if wait := at.Next.Sub(now); wait > 0 {
		return at, true, job.Snooze(wait)
	}
	if at.Next.IsZero() {
		if at.Total, err = count(ctx, tx, j.Org, args); err != nil {
			return at, false, err
		}
	}
	found, err := read(ctx, tx, j.Org, args, at.After)
	if err != nil {
		return at, false, err
	}
	redriven := 0
	for _, d := range found {
		if redriven == args.PerSecond {
			more = true
			break
		}
		at.After = d.ID
		if !d.Matches {
			continue
		}
		switch err := again(ctx, tx, j.Org, d.ID); {
		case err == nil:
			redriven++
		case !errors.Is(err, job.ErrNotDead) && !errors.Is(err, job.ErrFinished) && !errors.Is(err, job.ErrNotFound): // not somebody else
			return at, false, err
		}
	}
	at.Done += int64(redriven)
	at.Next = now.Add(time.Duration(redriven) * time.Second / time.Duration(args.PerSecond))
	j.Progress(at.Done, max(at.Total, at.Done), "")
	return at, more || len(found) == readAtOnce, nil
}

func again(ctx context.Context, tx pg.Tx, org id.Org, dead id.Job) error {
	_, _, err := job.Redrive(ctx, tx, nil, org, dead, nil)
	return err
}

// dead is a job that has failed for good.
type dead struct {
	ID      id.Job
	Matches bool
}

// matchSQL selects the jobs of a filter, other redrives excepted.
const matchSQL = `(kind <> $2 AND (cardinality($3::text[]) = 0 OR kind = ANY ($3)) AND ($4 = '' OR fingerprint = $4)
	AND due_at <= $5 AND ($6::timestamptz IS NULL OR due_at >= $6) AND ($7::timestamptz IS NULL OR due_at < $7))`

func (a Args) values(org id.Org) []any {
	kinds := a.Filter.Kinds
	if kinds == nil {
		kinds = []string{}
	}
	return []any{org, ownName, kinds, a.Filter.Fingerprint, time.Time(a.Began), a.Filter.Since, a.Filter.Until}
}

// read returns the next dead jobs of an organization, and reads no others. due_at is
// when they died.
func read(ctx context.Context, tx pg.Tx, org id.Org, a Args, after id.Job) ([]dead, error) {
	return pg.List[dead](ctx, tx, "redrive.read", `
		SELECT id, `+matchSQL+` AS matches FROM job
		WHERE org_id = $1 AND status = 'dead' AND id > $8 ORDER BY id LIMIT $9`, append(a.values(org), [16]byte(after.UUID), readAtOnce)...)
}

func count(ctx context.Context, tx pg.Tx, org id.Org, a Args) (int64, error) {
	return pg.Value[int64](ctx, tx, "redrive.count", `
		SELECT count(*) FROM (SELECT * FROM job WHERE org_id = $1 AND status = 'dead' ORDER BY id LIMIT $8) d WHERE `+matchSQL, append(a.values(org), countAtMost)...)
}
