package scheduled

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/member"
	"portico/shared/pg"
)

const columns = `id, every, format, filter, stream_id, member_id, next_since, next_until, export_id, last_export_id, last_delivered_at,
	failures, failing_since, next_try_at, last_error, coalesce(created_by, ''), created_at, updated_at`

// ScanRow reads columns.
func (s *Schedule) ScanRow(row pgx.Rows) error {
	var filter []byte
	err := row.Scan(&s.ID, &s.Every, &s.Format, &filter, &s.To.Stream, &s.To.Member, &s.Next.Since, &s.Next.Until, &s.Export, &s.LastExport, &s.DeliveredAt,
		&s.Failures, &s.FailingSince, &s.NextTryAt, &s.LastError, &s.CreatedBy, &s.CreatedAt, &s.UpdatedAt)
	if err != nil {
		return err
	}
	return json.Unmarshal(filter, &s.Filter)
}

// New is what is asked for.
type New struct {
	Every, Format string
	Filter        audit.Filter
	To            Destination
	By            string // in the form of audit_entry.actor_id
}

// Insert adds a schedule, whose first period is the one of now.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, n New, now time.Time) (Schedule, error) {
	if err := n.To.check(ctx, tx, org); err != nil {
		return Schedule{}, err
	}
	first := PeriodAt(n.Every, now)
	return pg.One[Schedule](ctx, tx, "scheduled.Insert", ErrTooMany, `
		INSERT INTO audit_export_schedule (org_id, id, every, format, filter, stream_id, member_id, next_since, next_until, created_by, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11
		WHERE (SELECT count(*) FROM audit_export_schedule WHERE org_id = $1) < $12 RETURNING `+columns,
		org, id.New[id.AuditExportSchedule](now), n.Every, n.Format, n.Filter, n.To.Stream, n.To.Member, first.Since, first.Until, n.By, now, MaxSchedules)
}

// check refuses a destination that is not there.
func (d Destination) check(ctx context.Context, tx pg.Tx, org id.Org) error {
	if d == (Destination{}) {
		return fault.InvalidField("stream_id", "is missing: send it, or member_id")
	}
	if !d.Stream.IsZero() {
		to, err := stream.Get(ctx, tx, org, d.Stream)
		switch {
		case errors.Is(err, stream.ErrNotFound):
			return fault.InvalidField("stream_id", "is not a stream of the audit log of your organization")
		case err == nil && to.Type != stream.S3:
			return fault.InvalidField("stream_id", "is a stream of the type "+to.Type+": files can only be written to the bucket of one of the type s3")
		}
		return err
	}
	_, err := member.Get(ctx, tx, org, d.Member)
	if errors.Is(err, member.ErrNotFound) {
		return fault.InvalidField("member_id", "is not a member of your organization")
	}
	return err
}

// Get returns the organization's schedule or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, schedule id.AuditExportSchedule) (Schedule, error) {
	return pg.One[Schedule](ctx, tx, "scheduled.Get", ErrNotFound, `
		SELECT `+columns+` FROM audit_export_schedule WHERE org_id = $1 AND id = $2`, org, schedule)
}

// List returns up to limit schedules that are older than after, the newest first. A zero
// after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.AuditExportSchedule, limit int) ([]Schedule, error) {
	return pg.List[Schedule](ctx, tx, "scheduled.List", `
		SELECT `+columns+` FROM audit_export_schedule
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// lock returns a schedule that nobody else changes until the transaction ends.
func lock(ctx context.Context, tx pg.Tx, org id.Org, schedule id.AuditExportSchedule) (Schedule, error) {
	return pg.One[Schedule](ctx, tx, "scheduled.lock", ErrNotFound, `
		SELECT `+columns+` FROM audit_export_schedule WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE`, org, schedule)
}

// Delete removes a schedule and returns it. An export that runs goes on, and is not sent.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, schedule id.AuditExportSchedule) (Schedule, error) {
	return pg.One[Schedule](ctx, tx, "scheduled.Delete", ErrNotFound, `
		DELETE FROM audit_export_schedule WHERE org_id = $1 AND id = $2 RETURNING `+columns, org, schedule)
}

// Change names what to change; nil leaves it as it is.
type Change struct {
	Format *string
	Filter *audit.Filter
	To     *Destination
}

// Update changes a schedule and returns it as it was and as it is. If it is due, the next
// try begins at once, with an export as it is wanted now.
func Update(ctx context.Context, tx pg.Tx, org id.Org, schedule id.AuditExportSchedule, c Change, now time.Time) (before, after Schedule, err error) {
	before, err = lock(ctx, tx, org, schedule)
	if err != nil {
		return before, after, err
	}
	after = before
	if c.Format != nil {
		after.Format = *c.Format
	}
	if c.Filter != nil {
		after.Filter = *c.Filter
	}
	if c.To != nil {
		if err := c.To.check(ctx, tx, org); err != nil {
			return before, after, err
		}
		after.To = *c.To
	}
	if c.Format != nil || c.Filter != nil {
		after.Export = id.AuditExport{}
	}
	after.UpdatedAt = now
	after.recover()
	if err := after.save(ctx, tx, org); err != nil || now.Before(after.dueAt()) {
		return before, after, err
	}
	_, err = job.Add(ctx, tx, org, kind, Args{after.ID}, job.Options{Key: after.ID.String()})
	return before, after, err
}

// save writes what can change.
func (s Schedule) save(ctx context.Context, tx pg.Tx, org id.Org) error {
	return pg.Exec(ctx, tx, "scheduled.save", `
		UPDATE audit_export_schedule SET format = $3, filter = $4, stream_id = $5, member_id = $6, next_since = $7, next_until = $8, export_id = $9,
			last_export_id = $10, last_delivered_at = $11, failures = $12, failing_since = $13, next_try_at = $14, last_error = $15, updated_at = $16
		WHERE org_id = $1 AND id = $2`, org, s.ID, s.Format, s.Filter, s.To.Stream, s.To.Member, s.Next.Since, s.Next.Until, s.Export,
		s.LastExport, s.DeliveredAt, s.Failures, s.FailingSince, s.NextTryAt, s.LastError, s.UpdatedAt)
}
