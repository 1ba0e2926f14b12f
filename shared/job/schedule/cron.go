// Package schedule adds jobs that recur. A schedule is a row of job_schedule. Firing
// it moves its next time and adds the job in one transaction, so each planned time
// makes one job, whoever fires and however often.
package schedule

import (
	"strings"
	"time"
	_ "time/tzdata" // a function has no time zones of its own

	"github.com/robfig/cron/v3"

	"portico/shared/fault"
)

// fields are those of a cron expression: minute, hour, day, month, weekday.
var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Times computes the planned times of a schedule.
type Times struct {
	spec cron.Schedule
	zone *time.Location
	// everyHour: the expression names no hour, so it goes on through a change of
	// daylight-saving time. Otherwise it follows the clock on the wall: a time that
	// the change skips is made up for an hour later, and of one that it doubles only
	// the first counts.
	everyHour bool
}

// maxExpression bounds a cron expression, in bytes.
const maxExpression = 200

// Parse reads a cron expression and the name of a time zone. Errors name the fields
// cron and timezone.
func Parse(expression, timezone string) (Times, error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil || timezone == "" || timezone == "Local" {
		return Times{}, fault.InvalidField("timezone", "is not a name of the IANA time zone database, such as Europe/Berlin")
	}
	const expected = "is not a cron expression of five fields: minute, hour, day, month, weekday"
	if len(expression) > maxExpression || strings.Contains(expression, "=") { // = would name another time zone
		return Times{}, fault.InvalidField("cron", expected)
	}
	spec, err := fields.Parse(expression)
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), ": strconv.") // Go's own part of the text
		return Times{}, fault.InvalidField("cron", expected+" ("+reason+")")
	}
	t := Times{spec: spec, zone: zone, everyHour: strings.HasPrefix(strings.Fields(expression)[1], "*")}
	if t.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Times{}, fault.InvalidField("cron", "names a day that does not exist")
	}
	return t, nil
}

// Next returns the first planned time after a moment, in UTC.
func (t Times) Next(after time.Time) time.Time {
	if t.everyHour {
		next := t.spec.Next(after.In(t.zone))
		if next.IsZero() {
			return next
		}
		return next.UTC()
	}
	// The expression is applied to what the clock on the wall shows, as if that were
	// UTC: so no day has 23 or 25 hours.
	wall := after.In(t.zone)
	from := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
	// A change sets the wall's clock by up to some hours, so begin before it.
	for at := t.spec.Next(from.Add(-4 * time.Hour)); !at.IsZero(); at = t.spec.Next(at) {
		if next := t.moment(at); next.After(after) {
			return next
		}
	}
	return time.Time{}
}

// moment returns when the clock on the wall shows a time first. If it never does,
// because a change skips it, that is as much after the change as the time is after
// the beginning of what was skipped.
func (t Times) moment(wall time.Time) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, t.zone)
	_, before := at.Add(-12 * time.Hour).Zone()
	// By the offset from before a change the time is the first of two, or after what
	// was skipped.
	early := wall.Add(-time.Duration(before) * time.Second)
	if _, now := early.In(t.zone).Zone(); now == before || !shows(early.In(t.zone), wall) && !shows(at, wall) {
		return early.UTC()
	}
	return at.UTC()
}

func shows(at, wall time.Time) bool { return at.Hour() == wall.Hour() && at.Minute() == wall.Minute() }

// List returns the next n planned times after a moment.
func (t Times) List(after time.Time, n int) []time.Time {
	var list []time.Time
	for at := t.Next(after); len(list) < n && !at.IsZero(); at = t.Next(at) {
		list = append(list, at)
	}
	return list
}
