// Package export writes the entries of an audit log to a file in S3. An export is a job
// that works in steps, along the numbers of the chain, up to its end when the job began.
package export

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"portico/shared/audit"
	"portico/shared/bucket"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// The formats.
const (
	CSV    = "csv"
	NDJSON = "ndjson"
)

// The states of an export.
const (
	Running   = "running"
	Succeeded = "succeeded"
	Cancelled = "cancelled"
	// Stalled is shown for one whose job has failed for good or was ended by staff.
	Stalled = "stalled"
)

// maxRunning bounds how many exports of an organization run at a time, because each may
// read all of its entries.
const maxRunning = 5

// keepFile is how long the file is there: S3 deletes it by days that end at midnight, so
// two days after it was written at the earliest.
const keepFile = 48 * time.Hour

// Export is a file with entries.
type Export struct {
	ID          id.AuditExport
	Format      string
	Filter      audit.Filter
	Status      string
	Failing     bool   // the last try of the job has failed; it is tried again
	FirstNumber int64  // of the entries that are looked at
	LastNumber  *int64 // nil: it has not begun
	LastHash    []byte // of the last entry that was looked at; nil: none
	NextNumber  int64
	Entries     int64 // in the file
	Size        int64 // of the file in bytes, until now
	CreatedBy   string
	CreatedAt   time.Time
	FinishedAt  *time.Time
}

// Examined returns how many entries were looked at.
func (e Export) Examined() int64 { return e.NextNumber - e.FirstNumber }

// Total returns how many entries are looked at in all; nil: it is not known yet.
func (e Export) Total() *int64 {
	if e.LastNumber == nil {
		return nil
	}
	return new(max(0, *e.LastNumber-e.FirstNumber+1))
}

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "audit_export_not_found", "There is no export of the audit log with this id.").
			Means("Your organization has no export with this id, or it ended more than 90 days ago.")
	ErrTooMany = fault.New(fault.Conflict, "too_many_audit_exports",
		fmt.Sprintf("%d exports of the audit log have not ended. Wait until one has, or cancel one.", maxRunning)).
		Means("Too many exports of your audit log have not ended. Wait until one has, or cancel one.")
	ErrFinished = fault.New(fault.Conflict, "audit_export_finished", "This export has already ended.").
			Means("The export has ended, so it cannot be cancelled.")
)

const columns = `id, format, filter, first_number, last_number, last_hash, next_number, entries, size, coalesce(created_by, '') AS created_by, created_at, finished_at`

// shownSQL selects exports as customers see them.
const shownSQL = `
	SELECT ` + columns + `, CASE WHEN x.status = 'running' AND coalesce(j.status, 'dead') = 'dead' THEN 'stalled' ELSE x.status END AS status,
		x.status = 'running' AND j.last_error IS NOT NULL AS failing
	FROM (SELECT * FROM audit_export WHERE org_id = $1) AS x
	LEFT JOIN LATERAL (SELECT status, last_error FROM job WHERE job.org_id = x.org_id AND job.id = x.job_id) AS j ON true `

// New is what is asked for.
type New struct {
	Format string
	Filter audit.Filter
	By     string // in the form of audit_entry.actor_id
}

// Start adds an export and its job, or returns ErrTooMany.
func Start(ctx context.Context, tx pg.Tx, org id.Org, n New) (Export, error) {
	now, err := pg.Value[time.Time](ctx, tx, "export.Start", `SELECT portico_now()`)
	if err != nil {
		return Export{}, err
	}
	running, err := pg.Value[int](ctx, tx, "export.Start", `SELECT count(*) FROM audit_export WHERE org_id = $1 AND status = 'running'`, org)
	if err != nil {
		return Export{}, err
	}
	if running >= maxRunning {
		return Export{}, ErrTooMany
	}
	filter, err := json.Marshal(n.Filter)
	if err != nil {
		return Export{}, fmt.Errorf("export.Start: %w", err)
	}
	made := id.New[id.AuditExport](now)
	queued, err := job.Add(ctx, tx, org, kind, Args{Export: made}, job.Options{By: n.By})
	if err != nil {
		return Export{}, err
	}
	return pg.Value[Export](ctx, tx, "export.Start", `
		INSERT INTO audit_export (org_id, id, job_id, format, filter, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING `+columns+`, status, false AS failing`,
		org, made, queued, n.Format, filter, n.By, now)
}

// Get returns the organization's export or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, export id.AuditExport) (Export, error) {
	return pg.One[Export](ctx, tx, "export.Get", ErrNotFound, shownSQL+`WHERE id = $2`, org, export)
}

// List returns up to limit exports that are older than after, the newest first. A zero
// after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.AuditExport, limit int) ([]Export, error) {
	return pg.List[Export](ctx, tx, "export.List", shownSQL+`WHERE $2::uuid IS NULL OR id < $2 ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Cancel ends an export. There will be no file.
func Cancel(ctx context.Context, tx pg.Tx, org id.Org, export id.AuditExport) (Export, error) {
	w, err := lock(ctx, tx, org, export)
	switch {
	case err != nil:
		return Export{}, err
	case w.Status != Running:
		return Export{}, ErrFinished
	}
	w.Status, w.Rest = Cancelled, nil
	if err := w.save(ctx, tx, org); err != nil {
		return Export{}, err
	}
	return Get(ctx, tx, org, export)
}

// HasFile reports whether there is a file: the export has succeeded, and S3 has not
// deleted it.
func (e Export) HasFile(now time.Time) bool {
	return e.Status == Succeeded && now.Before(e.FileUntil())
}

// FileUntil is when S3 deletes the file, at the earliest. The export has ended.
func (e Export) FileUntil() time.Time { return e.FinishedAt.Add(keepFile) }

// Read returns that many bytes of the file from a place on, or fewer at its end.
func (e Export) Read(ctx context.Context, b *bucket.Bucket, org id.Org, from, length int64) ([]byte, error) {
	if e.Size == 0 {
		return nil, nil // S3 refuses a range of an empty object
	}
	return b.GetPart(ctx, e.key(org), from, length)
}

// Object is what is stored with the file in S3 besides its bytes.
func (e Export) Object() bucket.Object {
	o := bucket.Object{ContentType: contentTypes[e.Format]}
	if e.LastHash != nil {
		o.Metadata = map[string]string{"first": strconv.FormatInt(e.FirstNumber, 10), "last": strconv.FormatInt(*e.LastNumber, 10), "head-hash": hex.EncodeToString(e.LastHash)}
	}
	return o
}

// Link returns an address of the file for ten minutes; nil: there is no file, because
// the export has not succeeded, or S3 has deleted it. linkTo is Bucket.Link.
func (e Export) Link(ctx context.Context, linkTo func(ctx context.Context, key, file string) (string, error), org id.Org, now time.Time) (*string, error) {
	if !e.HasFile(now) {
		return nil, nil
	}
	link, err := linkTo(ctx, e.key(org), "audit-log-"+e.CreatedAt.UTC().Format("2006-01-02")+"."+e.Format)
	return &link, err
}

// key is the name of the object in S3.
func (e Export) key(org id.Org) string { return org.String() + "/" + e.ID.String() + "." + e.Format }

// Forget removes up to limit exports that ended longer than keep ago, and returns how
// many.
func Forget(ctx context.Context, db *pg.Worker, keep time.Duration, limit int) (int64, error) {
	return pg.Affect(ctx, db, "export.Forget", `
		DELETE FROM audit_export WHERE (org_id, id) IN (
			SELECT org_id, id FROM audit_export WHERE finished_at < portico_now() - $1::interval LIMIT $2)`, keep, limit)
}
