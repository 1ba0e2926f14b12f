// Package scheduled makes exports of an audit log of each day or week, and sends them to a
// bucket of the customer, or tells a member of them by mail.
//
// A schedule knows its next period. The file of a period is made and sent, and only then
// the next period is the one that begins where this one has ended. So each period is sent
// exactly once, also after an outage.
package scheduled

import (
	"fmt"
	"time"

	"portico/shared/audit"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
)

// What a period can be.
const (
	Day  = "day"
	Week = "week"
)

// MaxSchedules bounds how many schedules an organization may have.
const MaxSchedules = 10

// tellAfter is after how many failed tries members are told: more than half an hour, with
// the waits of job.Backoff.
const tellAfter = 5

// Period is a whole day or week: from Since on, before Until.
type Period struct{ Since, Until time.Time }

// PeriodAt returns the day or week of a time, in UTC. Weeks begin on Mondays.
func PeriodAt(every string, at time.Time) Period {
	day := at.UTC().Truncate(24 * time.Hour)
	if every == Week {
		monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
		return Period{monday, monday.AddDate(0, 0, 7)}
	}
	return Period{day, day.AddDate(0, 0, 1)}
}

// after returns the period that begins where this one ends.
func (p Period) after() Period { return Period{p.Until, p.Until.Add(p.Until.Sub(p.Since))} }

// String is 2026-11-22 for a day and 2026-W47 for a week, as ISO 8601 counts them.
func (p Period) String() string {
	if p.Until.Sub(p.Since) == 24*time.Hour {
		return p.Since.UTC().Format(time.DateOnly)
	}
	year, week := p.Since.UTC().ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

// Destination is where files go: one of its fields is not zero.
type Destination struct {
	Stream id.AuditStream // to the bucket of this stream
	Member id.Member      // a mail about the file
}

// Schedule makes an export of each period.
type Schedule struct {
	ID     id.AuditExportSchedule
	Every  string
	Format string
	Filter audit.Filter // without a time
	To     Destination
	Next   Period

	Export      id.AuditExport // of the next period; zero: it was not started yet
	LastExport  id.AuditExport // that was sent; zero: none
	DeliveredAt *time.Time     // when that was

	Failures     int
	FailingSince *time.Time
	NextTryAt    *time.Time
	LastError    *string

	CreatedBy            string
	CreatedAt, UpdatedAt time.Time
}

// Problem is what members were told of and still is so; nil: nothing.
func (s Schedule) Problem() *string {
	if s.Failures < tellAfter {
		return nil
	}
	return s.LastError
}

// last is the period before the next one.
func (s Schedule) last() Period {
	return Period{s.Next.Since.Add(s.Next.Since.Sub(s.Next.Until)), s.Next.Since}
}

// Last returns the period that was sent last; nil: none was.
func (s Schedule) Last() *Period {
	if s.LastExport.IsZero() {
		return nil
	}
	return new(s.last())
}

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "audit_export_schedule_not_found", "There is no schedule of exports with this id.").
			Means("Your organization has no schedule of exports of its audit log with this id.")
	ErrTooMany = fault.New(fault.Conflict, "too_many_audit_export_schedules",
		fmt.Sprintf("An organization has at most %d schedules of exports. Delete one that is no longer needed.", MaxSchedules)).
		Means("The organization has reached the limit of schedules of exports of its audit log.")
)

// Args are the arguments of the job of a schedule.
type Args struct {
	Schedule id.AuditExportSchedule `json:"schedule"`
}

// kind is the job without its work, with which it is added. Its key is the schedule's id.
var kind = job.Kind[Args]{Name: "audit_export_schedule.run", Queue: job.Bulk, Timeout: 2 * time.Minute, Unique: job.Waits, PerOrg: 2, InAll: 4}
