// Package erasure removes what an organization keeps of a person: the data of the
// events about the person, and the mails to the person. An erasure is a job that works
// in steps.
package erasure

import (
	"context"
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// The states of an erasure.
const (
	Running   = "running"
	Succeeded = "succeeded"
	Cancelled = "cancelled"
	// Stalled is shown for one whose job has failed for good or was ended by staff.
	Stalled = "stalled"
)

// The criteria: what an erasure knows a person by.
const (
	ByFilter       = "filter"
	ByOrderingKeys = "ordering_keys"
	ByRecipient    = "recipient"
)

// Person says which events and mails are a person's. An event is, if the filter is true
// for it or it has one of the keys. It is forgotten when the erasure ends.
type Person struct {
	Filter       *string
	OrderingKeys []string // nil: none
	Recipient    *string  // a mail address
}

// criteria returns which members are set.
func (p Person) criteria() (given []string) {
	if p.Filter != nil {
		given = append(given, ByFilter)
	}
	if p.OrderingKeys != nil {
		given = append(given, ByOrderingKeys)
	}
	if p.Recipient != nil {
		given = append(given, ByRecipient)
	}
	return given
}

// Erasure removes the data of one person.
type Erasure struct {
	ID id.Erasure
	Person
	Criteria    []string // which members of Person were given
	DryRun      bool     // it only counts
	Since       *time.Time
	Until       time.Time
	Status      string
	LastMailID  id.Mail    // all mails up to it are done
	MailsDoneAt *time.Time // nil: they are not
	LastEventID id.Event   // all events up to it are done
	Examined    int64      // events
	Events      int64      // that it has expunged, or would
	Mails       int64      // that it has expunged, or would
	CreatedBy   string
	CreatedAt   time.Time
	FinishedAt  *time.Time
}

// maxRunning bounds how many erasures of an organization run at a time, because each
// reads all of its events.
const maxRunning = 100

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "erasure_not_found", "There is no erasure with this id.").
			Means("Your organization has no erasure with this id, or it ended more than 90 days ago.")
	ErrTooMany = fault.New(fault.Conflict, "too_many_erasures",
		fmt.Sprintf("%d erasures have not ended. Wait until one has, or cancel one. One erasure can name several people.", maxRunning)).
		Means("Too many erasures of your organization have not ended. Wait until one has, or cancel one.")
	ErrFinished = fault.New(fault.Conflict, "erasure_finished", "This erasure has already ended.").
			Means("The erasure has ended, so it cannot be cancelled.")
)

const columns = `id, filter, ordering_keys, recipient, criteria, dry_run, since, until, last_mail_id, mails_done_at, last_event_id, examined, events, mails,
	coalesce(created_by, '') AS created_by, created_at, finished_at`

// shownSQL selects erasures as customers see them.
const shownSQL = `
	SELECT ` + columns + `, CASE WHEN status = 'running' AND NOT EXISTS (
		SELECT FROM job j WHERE j.org_id = r.org_id AND j.id = r.job_id AND j.status <> 'dead') THEN 'stalled' ELSE status END AS status
	FROM erasure r `

// New is what is asked for.
type New struct {
	Person
	DryRun bool
	Since  *time.Time // nil: from the beginning
	Until  *time.Time // nil: now
	By     string     // in the form of audit_entry.actor_id
}

// Start adds an erasure and its job, or returns ErrTooMany. A later Until than now is
// now. The caller has checked the person with Check.
func Start(ctx context.Context, tx pg.Tx, org id.Org, n New) (Erasure, error) {
	now, err := pg.Value[time.Time](ctx, tx, "erasure.Start", `SELECT portico_now()`)
	if err != nil {
		return Erasure{}, err
	}
	since, until := time.Time{}, now
	if n.Since != nil {
		since = *n.Since
	}
	if n.Until != nil && n.Until.Before(now) {
		until = *n.Until
	}
	if !since.Before(until) {
		return Erasure{}, fault.InvalidField("since", "must be earlier than until, and than now")
	}
	running, err := pg.Value[int](ctx, tx, "erasure.Start", `SELECT count(*) FROM erasure WHERE org_id = $1 AND status = 'running'`, org)
	if err != nil {
		return Erasure{}, err
	}
	if running >= maxRunning {
		return Erasure{}, ErrTooMany
	}
	made := id.New[id.Erasure](now)
	queued, err := job.Add(ctx, tx, org, Kind, Args{Erasure: made}, job.Options{By: n.By})
	if err != nil {
		return Erasure{}, err
	}
	var mailsDone *time.Time
	if n.Recipient == nil {
		mailsDone = &now
	}
	return pg.Value[Erasure](ctx, tx, "erasure.Start", `
		INSERT INTO erasure (org_id, id, job_id, filter, ordering_keys, recipient, criteria, dry_run, since, until, mails_done_at, last_event_id, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING `+columns+`, status`,
		org, made, queued, n.Filter, n.OrderingKeys, n.Recipient, n.criteria(), n.DryRun, n.Since, until, mailsDone, id.Floor[id.Event](since), n.By, now)
}

// Get returns the organization's erasure or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, erasure id.Erasure) (Erasure, error) {
	return pg.One[Erasure](ctx, tx, "erasure.Get", ErrNotFound, shownSQL+`WHERE org_id = $1 AND id = $2`, org, erasure)
}

// List returns up to limit erasures that are older than after, the newest first. A zero
// after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Erasure, limit int) ([]Erasure, error) {
	return pg.List[Erasure](ctx, tx, "erasure.List", shownSQL+`
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Cancel ends an erasure. What it has expunged stays expunged.
func Cancel(ctx context.Context, tx pg.Tx, org id.Org, erasure id.Erasure) (Erasure, error) {
	r, _, err := lock(ctx, tx, org, erasure)
	if err != nil {
		return r, err
	}
	if r.Status != Running {
		return r, ErrFinished
	}
	r.Status = Cancelled
	if err := r.save(ctx, tx, org); err != nil {
		return r, err
	}
	return Get(ctx, tx, org, erasure)
}

// Forget removes up to limit erasures that ended longer than keep ago, and returns how
// many.
func Forget(ctx context.Context, db *pg.Worker, keep time.Duration, limit int) (int64, error) {
	return pg.Affect(ctx, db, "erasure.Forget", `
		DELETE FROM erasure WHERE (org_id, id) IN (
			SELECT org_id, id FROM erasure WHERE finished_at < portico_now() - $1::interval LIMIT $2)`, keep, limit)
}

// locked is an erasure and the database's time.
type locked struct {
	Erasure
	Now time.Time
}

// lock returns an erasure that nobody else changes until the transaction ends.
func lock(ctx context.Context, tx pg.Tx, org id.Org, erasure id.Erasure) (Erasure, time.Time, error) {
	l, err := pg.One[locked](ctx, tx, "erasure.lock", ErrNotFound, `
		SELECT `+columns+`, status, portico_now() AS now FROM erasure WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE`, org, erasure)
	return l.Erasure, l.Now, err
}

// save writes how far the erasure has come. With its end it forgets the person.
func (r Erasure) save(ctx context.Context, tx pg.Tx, org id.Org) error {
	person := r.Person
	if r.Status != Running {
		person = Person{}
	}
	return pg.Exec(ctx, tx, "erasure.save", `
		UPDATE erasure SET status = $3, filter = $4, ordering_keys = $5, recipient = $6, last_mail_id = $7, mails_done_at = $8, last_event_id = $9,
			examined = $10, events = $11, mails = $12, finished_at = CASE WHEN $3 <> 'running' THEN portico_now() END
		WHERE org_id = $1 AND id = $2`,
		org, r.ID, r.Status, person.Filter, person.OrderingKeys, person.Recipient, r.LastMailID, r.MailsDoneAt, r.LastEventID, r.Examined, r.Events, r.Mails)
}
