package recovery

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// The kinds of recoveries.
const (
	Recover = "recover" // redelivers deliveries that have finished
	Replay  = "replay"  // makes deliveries for events of which the endpoint has none
)

// The states of a recovery.
const (
	Running   = "running"
	Succeeded = "succeeded"
	Cancelled = "cancelled"
	// Stalled is shown for one whose job has failed for good or was ended by staff.
	Stalled = "stalled"
)

// Recovery sends an endpoint the events of a range of time.
type Recovery struct {
	ID           id.Recovery
	EndpointID   id.WebhookEndpoint
	Kind         string
	Since, Until time.Time // of the events
	Statuses     []webhook.Status
	EventTypes   []string // types and prefixes; empty: all
	Status       string
	LastEventID  id.Event // all events up to it are done
	Examined     int64    // deliveries or events
	Deliveries   int64    // that it has redelivered or made
	CreatedBy    string
	CreatedAt    time.Time
	FinishedAt   *time.Time
}

// Reached returns the time up to which the events are done.
func (r Recovery) Reached() time.Time {
	if r.Status == Succeeded {
		return r.Until
	}
	return r.LastEventID.Time()
}

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "recovery_not_found", "There is no recovery with this id.").
			Means("Your organization has no recovery with this id.")
	ErrRunning = fault.New(fault.Conflict, "recovery_running",
		"A recovery of this webhook endpoint has not ended. Wait until it has, or cancel it.").
		Means("A webhook endpoint has one recovery at a time. Wait until it has ended, or cancel it.")
	ErrFinished = fault.New(fault.Conflict, "recovery_finished", "This recovery has already ended.").
			Means("The recovery has ended, so it cannot be cancelled.")
)

const columns = `id, endpoint_id, kind, since, until, statuses, event_types, last_event_id, examined, deliveries,
	coalesce(created_by, '') AS created_by, created_at, finished_at`

// shownSQL selects recoveries as customers see them.
const shownSQL = `
	SELECT ` + columns + `, CASE WHEN status = 'running' AND NOT EXISTS (
		SELECT FROM job j WHERE j.org_id = r.org_id AND j.id = r.job_id AND j.status <> 'dead') THEN 'stalled' ELSE status END AS status
	FROM webhook_recovery r `

// New is what is asked for.
type New struct {
	Kind       string
	Endpoint   id.WebhookEndpoint
	Since      time.Time
	Until      *time.Time // nil: now
	Statuses   []webhook.Status
	EventTypes []string
	By         string // in the form of audit_entry.actor_id
}

// Start adds a recovery and its job, or returns ErrRunning. A later Until than now is
// now.
func Start(ctx context.Context, tx pg.Tx, org id.Org, n New) (Recovery, error) {
	now, err := pg.Value[time.Time](ctx, tx, "recovery.Start", `SELECT portico_now()`)
	if err != nil {
		return Recovery{}, err
	}
	until := now
	if n.Until != nil && n.Until.Before(now) {
		until = *n.Until
	}
	if !n.Since.Before(until) {
		return Recovery{}, fault.InvalidField("since", "must be earlier than until, and than now")
	}
	made := id.New[id.Recovery](now)
	queued, err := job.Add(ctx, tx, org, Kind, Args{Recovery: made}, job.Options{By: n.By})
	if err != nil {
		return Recovery{}, err
	}
	if n.Statuses == nil {
		n.Statuses = []webhook.Status{}
	}
	if n.EventTypes == nil {
		n.EventTypes = []string{}
	}
	r, err := pg.Value[Recovery](ctx, tx, "recovery.Start", `
		INSERT INTO webhook_recovery (org_id, id, endpoint_id, job_id, kind, since, until, statuses, event_types, last_event_id, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, uuid_floor($6), $10, $11) RETURNING `+columns+`, status`,
		org, made, n.Endpoint, queued, n.Kind, n.Since, until, n.Statuses, n.EventTypes, n.By, now)
	if pg.IsUniqueViolation(err) {
		return Recovery{}, ErrRunning
	}
	return r, err
}

// Get returns the organization's recovery or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, recovery id.Recovery) (Recovery, error) {
	return pg.One[Recovery](ctx, tx, "recovery.Get", ErrNotFound, shownSQL+`WHERE org_id = $1 AND id = $2`, org, recovery)
}

// List returns up to limit recoveries of an endpoint that are older than after, the
// newest first. A zero after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, after id.Recovery, limit int) ([]Recovery, error) {
	return pg.List[Recovery](ctx, tx, "recovery.List", shownSQL+`
		WHERE org_id = $1 AND endpoint_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`, org, endpoint, after, limit)
}

// Cancel ends a recovery. What it has made due stays due.
func Cancel(ctx context.Context, tx pg.Tx, org id.Org, recovery id.Recovery) (Recovery, error) {
	r, _, err := lock(ctx, tx, org, recovery)
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
	return Get(ctx, tx, org, recovery)
}

// Forget removes up to limit recoveries that ended longer than keep ago, and returns
// how many.
func Forget(ctx context.Context, db *pg.Worker, keep time.Duration, limit int) (int64, error) {
	return pg.Affect(ctx, db, "recovery.Forget", `
		DELETE FROM webhook_recovery WHERE (org_id, id) IN (
			SELECT org_id, id FROM webhook_recovery WHERE finished_at < portico_now() - $1::interval LIMIT $2)`, keep, limit)
}

// locked is a recovery and the database's time.
type locked struct {
	Recovery
	Now time.Time
}

// lock returns a recovery that nobody else changes until the transaction ends.
func lock(ctx context.Context, tx pg.Tx, org id.Org, recovery id.Recovery) (Recovery, time.Time, error) {
	l, err := pg.One[locked](ctx, tx, "recovery.lock", ErrNotFound, `
		SELECT `+columns+`, status, portico_now() AS now FROM webhook_recovery WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE`, org, recovery)
	return l.Recovery, l.Now, err
}

// save writes how far the recovery has come.
func (r Recovery) save(ctx context.Context, tx pg.Tx, org id.Org) error {
	return pg.Exec(ctx, tx, "recovery.save", `
		UPDATE webhook_recovery SET status = $3, last_event_id = $4, examined = $5, deliveries = $6,
			finished_at = CASE WHEN $3 <> 'running' THEN portico_now() END
		WHERE org_id = $1 AND id = $2`, org, r.ID, r.Status, r.LastEventID, r.Examined, r.Deliveries)
}
