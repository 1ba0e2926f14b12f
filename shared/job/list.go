package job

import (
	"context"
	"encoding/json"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Status is where a job is. Until it has finished it is one of the first four.
type Status string

// The statuses.
const (
	Pending   Status = "pending"   // it waits for its turn
	Running   Status = "running"   // a runner has it
	Scheduled Status = "scheduled" // it is due later
	Dead      Status = "dead"      // it has failed for good and waits for a person
	Succeeded Status = "succeeded"
	Cancelled Status = "cancelled" // somebody ended it
	Dropped   Status = "dropped"   // it was dead, and a person gave it up
	Merged    Status = "merged"    // a later job with its key does the same work
)

// IsFinished reports whether nothing happens to such a job any more.
func (s Status) IsFinished() bool {
	return s == Succeeded || s == Cancelled || s == Dropped || s == Merged
}

// Info is a job as people see it.
type Info struct {
	OrgID             id.Org // zero: it is the platform's own
	ID                id.Job
	Queue             Queue
	Kind              string
	Status            Status
	Args              json.RawMessage
	UniqueKey         *string
	DueAt             time.Time  // running: when its lease ends; finished: when it finished
	CancelRequestedAt *time.Time // somebody has asked to end it
	CreatedAt         time.Time
	CreatedBy         string // "": Portico itself
	RequestID         string // "": no request has added it
	Attempts          int    // tries that have failed
	Crashes           int
	ProgressDone      int64
	ProgressTotal     int64 // 0: not known
	ProgressNote      string
	ErrorCode         string // of the last failed try; "": none failed
	LastError         string
	Fingerprint       string          // equal for jobs that failed in the same way
	Tries             json.RawMessage // the last 20 failed ones: [{"at","took_ms","code","error","redriven_at"}]
	Reason            string          // why it was dropped or cancelled, or is to be cancelled
}

const unfinishedColumns = `org_id, id, queue, kind, CASE WHEN lease IS NULL THEN status ELSE 'running' END AS status, args, unique_key, due_at, cancel_requested_at,
	created_at, coalesce(created_by, '') AS created_by, request_id, attempts, crashes, progress_done, progress_total, progress_note,
	coalesce(error_code, '') AS error_code, coalesce(last_error, '') AS last_error, coalesce(fingerprint, '') AS fingerprint, tries, coalesce(cancel_reason, '') AS reason`

const finishedColumns = `org_id, id, queue, kind, outcome AS status, args, unique_key, finished_at AS due_at, NULL::timestamptz AS cancel_requested_at,
	created_at, coalesce(created_by, '') AS created_by, request_id, attempts, crashes, progress_done, progress_total, progress_note,
	coalesce(error_code, '') AS error_code, coalesce(last_error, '') AS last_error, '' AS fingerprint, coalesce(tries, '[]') AS tries, coalesce(reason, '') AS reason`

// Filter selects jobs. Empty fields select all.
type Filter struct {
	Org         *id.Org // nil: of all organizations and of the platform; only portico_worker sees them
	Status      Status  // "": all that have not finished
	Kinds       []string
	Fingerprint string
	Before      id.Job // only jobs that were added before this one
}

// List returns jobs, the newest first.
func List(ctx context.Context, q pg.Querier, f Filter, limit int) ([]Info, error) {
	from := `SELECT ` + unfinishedColumns + ` FROM job WHERE ($2 = '' OR CASE WHEN lease IS NULL THEN status ELSE 'running' END = $2) AND ($4 = '' OR fingerprint = $4)`
	if f.Status.IsFinished() {
		from = `SELECT ` + finishedColumns + ` FROM job_log WHERE outcome = $2 AND $4 = ''`
	}
	return pg.List[Info](ctx, q, "job.List", from+`
		AND ($1::uuid IS NULL OR org_id = $1) AND (cardinality($3::text[]) = 0 OR kind = ANY ($3)) AND ($5::uuid IS NULL OR id < $5)
		ORDER BY id DESC LIMIT $6`, f.org(), f.Status, f.kinds(), f.Fingerprint, f.Before, limit)
}

func (f Filter) org() *[16]byte {
	if f.Org == nil {
		return nil
	}
	org := raw(*f.Org)
	return &org
}

func (f Filter) kinds() []string {
	if f.Kinds == nil {
		return []string{}
	}
	return f.Kinds
}

// ErrNotFound is returned when the organization has no such job.
var ErrNotFound = fault.New(fault.NotFound, "job_not_found", "There is no job with this id.").
	Means("There is no job with this id: it never was, its kind is not shown, or it finished more than 30 days ago.")

// Get returns a job, finished or not.
func Get(ctx context.Context, q pg.Querier, org id.Org, jobID id.Job) (Info, error) {
	return pg.One[Info](ctx, q, "job.Get", ErrNotFound, `
		SELECT `+unfinishedColumns+` FROM job WHERE org_id = $1 AND id = $2
		UNION ALL SELECT * FROM (SELECT `+finishedColumns+` FROM job_log WHERE org_id = $1 AND id = $2 ORDER BY log_id DESC LIMIT 1) f
		LIMIT 1`, raw(org), jobID)
}
