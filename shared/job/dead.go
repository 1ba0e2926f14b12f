package job

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// What cannot be done with a job because of its status.
var (
	ErrNotDead = fault.New(fault.Conflict, "job_not_dead", "The job is not dead, so it cannot be redriven or dropped. Cancel it instead.").
			Means("Only a dead job can be redriven or dropped. One that waits or runs can be cancelled.")
	ErrIsDead = fault.New(fault.Conflict, "job_is_dead", "The job is dead, so it cannot be cancelled. Redrive it, or drop it.").
			Means("A dead job cannot be cancelled: redrive or drop it.")
	ErrFinished = fault.New(fault.Conflict, "job_finished", "The job has finished, so nothing can be done with it any more.").
			Means("The job has finished, so nothing can be done with it any more.")
)

// Redrive lets a dead job be tried again from the beginning of its schedule, with
// other arguments if args is not nil; a job of steps continues where it was. If a
// job with its key waits, it merges into that one. kinds checks the arguments; its
// fault names the field args. It returns the job before and after.
func Redrive(ctx context.Context, tx pg.Tx, kinds *Registry, org id.Org, jobID id.Job, args json.RawMessage) (before, after Info, err error) {
	if before, err = lockDead(ctx, tx, org, jobID); err != nil {
		return before, after, err
	}
	switch {
	case args == nil:
		args = before.Args
	case len(args) > MaxArgs:
		return before, after, ErrArgsTooLarge
	default:
		if wrong := kinds.Check(before.Kind, args); wrong != nil {
			return before, after, fault.InvalidField("args", "cannot be read by the kind "+before.Kind+": "+strings.TrimPrefix(wrong.Error(), "json: "))
		}
	}
	// The job is deleted and inserted again, because only an insert can settle with
	// one that is added with the same key at the same moment.
	err = pg.Exec(ctx, tx, "job.Redrive", `
		WITH gone AS (
			DELETE FROM job WHERE org_id = $1 AND id = $2 RETURNING *
		), back AS (
			INSERT INTO job (org_id, id, due_at, created_at, progress_done, progress_total, queue, kind, unique_key, progress_note,
				created_by, request_id, error_code, last_error, fingerprint, args, cursor, tries)
			SELECT org_id, id, portico_now(), created_at, progress_done, progress_total, queue, kind, unique_key, progress_note,
				created_by, request_id, error_code, last_error, fingerprint, $3::json, cursor, jsonb_set(tries, '{-1,redriven_at}', to_jsonb(portico_now())) FROM gone
			ON CONFLICT (org_id, kind, unique_key) WHERE unique_key IS NOT NULL AND lease IS NULL AND status <> 'dead' DO NOTHING
			RETURNING id
		)
		`+logSQL+`
		SELECT `+loggedColumns+`, nullif(tries, '[]'), 'merged', NULL, $4 FROM gone WHERE NOT EXISTS (SELECT FROM back)`,
		raw(org), jobID, string(args), [16]byte(newLogID(time.Now())))
	if err != nil {
		return before, after, err
	}
	pg.Raise(tx, string(before.Queue), laneText(Lane{org, before.Kind}))
	after, err = Get(ctx, tx, org, jobID)
	return before, after, err
}

// logSQL inserts into job_log what a CTE has deleted from job: loggedColumns, then
// tries, outcome, reason and log_id.
const logSQL = `INSERT INTO job_log (` + loggedColumns + `, tries, outcome, reason, log_id)`

const loggedColumns = `org_id, id, created_at, progress_done, progress_total, attempts, crashes, queue, kind, unique_key,
	progress_note, created_by, request_id, error_code, last_error, args`

// Drop gives a dead job up, for a reason that a person states. It returns the job
// before.
func Drop(ctx context.Context, tx pg.Tx, org id.Org, jobID id.Job, reason string) (Info, error) {
	before, err := lockDead(ctx, tx, org, jobID)
	if err != nil {
		return before, err
	}
	return before, end(ctx, tx, org, jobID, Dropped, reason)
}

// Cancel ends a job. One that waits ends at once. One that runs is asked to end: its
// runner reads that within 10 s, and a job that succeeds before has succeeded. It
// returns the job before.
func Cancel(ctx context.Context, tx pg.Tx, org id.Org, jobID id.Job, reason string) (Info, error) {
	before, err := lock(ctx, tx, org, jobID)
	switch {
	case err != nil:
		return before, err
	case before.Status == Dead:
		return before, ErrIsDead
	case before.Status == Running:
		return before, pg.Exec(ctx, tx, "job.Cancel", `
			UPDATE job SET cancel_requested_at = portico_now(), cancel_reason = nullif($3, '')
			WHERE org_id = $1 AND id = $2 AND cancel_requested_at IS NULL`, raw(org), jobID, reason)
	}
	return before, end(ctx, tx, org, jobID, Cancelled, reason)
}

// end moves a job that no runner has to job_log.
func end(ctx context.Context, tx pg.Tx, org id.Org, jobID id.Job, outcome Status, reason string) error {
	return pg.Exec(ctx, tx, "job.end", `
		WITH gone AS (DELETE FROM job WHERE org_id = $1 AND id = $2 AND lease IS NULL RETURNING *)
		`+logSQL+`
		SELECT `+loggedColumns+`, nullif(tries, '[]'), $3, nullif($4, ''), $5 FROM gone`, raw(org), jobID, outcome, reason, [16]byte(newLogID(time.Now())))
}

// lock returns an unfinished job and locks it until the end of the transaction.
func lock(ctx context.Context, tx pg.Tx, org id.Org, jobID id.Job) (Info, error) {
	info, err := pg.One[Info](ctx, tx, "job.lock", ErrNotFound, `SELECT `+unfinishedColumns+` FROM job WHERE org_id = $1 AND id = $2 FOR UPDATE`, raw(org), jobID)
	if errors.Is(err, ErrNotFound) {
		if info, err = Get(ctx, tx, org, jobID); err == nil {
			err = ErrFinished
		}
	}
	return info, err
}

func lockDead(ctx context.Context, tx pg.Tx, org id.Org, jobID id.Job) (Info, error) {
	info, err := lock(ctx, tx, org, jobID)
	if err == nil && info.Status != Dead {
		err = ErrNotDead
	}
	return info, err
}
