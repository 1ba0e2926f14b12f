package schedule_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/shared/fault"
	"portico/shared/job/schedule"
	"portico/shared/testkit"
)

// Planned times follow the clock on the wall of their time zone. What a change of
// daylight-saving time skips is made up for, what it doubles counts once; a schedule
// of every hour goes on.
func TestPlannedTimes(t *testing.T) {
	for _, tt := range []struct{ name, cron, zone, after, want string }{
		{"daily in UTC", "30 2 * * *", "UTC", "2026-03-28T12:00:00Z", "03-29T02:30 03-30T02:30 03-31T02:30"},
		{"daily, an hour later by UTC in winter", "0 9 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "10-24T07:00 10-25T08:00 10-26T08:00"},
		{"skipped at 2:30 in spring", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "03-29T01:30 03-30T00:30 03-31T00:30"},
		{"doubled at 2:30 in autumn", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "10-25T00:30 10-26T01:30 10-27T01:30"},
		{"between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", "10-26T01:30 10-27T01:30 10-28T01:30"},
		{"west of UTC in spring", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "03-08T07:30 03-09T06:30 03-10T06:30"},
		{"west of UTC in autumn", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "11-01T05:30 11-02T06:30 11-03T06:30"},
		{"half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "10-03T15:45 10-04T15:15 10-05T15:15"},
		{"midnight that is skipped", "0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", "03-08T05:00 03-09T04:00 03-10T04:00"},
		{"every half hour in spring", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", "03-29T00:30 03-29T01:00 03-29T01:30"},
		{"every half hour in autumn", "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", "10-25T00:30 10-25T01:00 10-25T01:30"},
		{"the last day of February", "0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", "02-29T00:00 02-29T00:00 02-29T00:00"},
		{"weekdays", "0 8 * * MON-FRI", "UTC", "2026-11-20T09:00:00Z", "11-23T08:00 11-24T08:00 11-25T08:00"},
	} {
		times, err := schedule.Parse(tt.cron, tt.zone)
		testkit.Must(t, err)
		after, err := time.Parse(time.RFC3339, tt.after)
		testkit.Must(t, err)
		var got []string
		for _, at := range times.List(after, 3) {
			got = append(got, at.Format("01-02T15:04"))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

// Whatever the schedule, its planned times grow, and after each planned time comes
// the next one of the list. A daily schedule has one on each day.
func TestPlannedTimesGrow(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca"}
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(r, "zone")
		hour, minute := rapid.IntRange(0, 23).Draw(r, "hour"), rapid.IntRange(0, 59).Draw(r, "minute")
		expression := time.Date(2026, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15 * * *")
		times, err := schedule.Parse(expression, zone)
		if err != nil {
			r.Fatal(err)
		}
		start := time.Unix(rapid.Int64Range(1_767_225_600, 1_830_297_600).Draw(r, "start"), 0).UTC()
		list := times.List(start, 200)
		for i, at := range list {
			before := start
			if i > 0 {
				before = list[i-1]
			}
			if gap := at.Sub(before); gap <= 0 || gap > 26*time.Hour || i > 0 && gap < 22*time.Hour {
				r.Fatalf("%s in %s: %s after %s", expression, zone, at, before)
			}
			if next := times.Next(at.Add(-time.Nanosecond)); !next.Equal(at) {
				r.Fatalf("%s in %s: just before %s the next is %s", expression, zone, at, next)
			}
		}
	})
}

// What is not a schedule is refused, and the field is named.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ cron, zone, field string }{
		{"", "UTC", "cron"}, {"* * * *", "UTC", "cron"}, {"0 * * * * *", "UTC", "cron"}, {"60 * * * *", "UTC", "cron"}, {"@daily", "UTC", "cron"},
		{"@every 1s", "UTC", "cron"}, {"TZ=UTC 0 0 * * *", "UTC", "cron"}, {"TZ=", "UTC", "cron"}, {"CRON_TZ=UTC", "UTC", "cron"}, {"0 0 31 2 *", "UTC", "cron"},
		{strings.Repeat("0,", 200) + "0 0 * * *", "UTC", "cron"}, {"a b c d e", "UTC", "cron"}, {"\x00", "UTC", "cron"},
		{"0 0 * * *", "", "timezone"}, {"0 0 * * *", "Local", "timezone"}, {"0 0 * * *", "Berlin", "timezone"}, {"0 0 * * *", "../../etc/passwd", "timezone"},
	} {
		_, err := schedule.Parse(tt.cron, tt.zone)
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != tt.field {
			t.Errorf("%q in %q: %v, want a fault of %s", tt.cron, tt.zone, err, tt.field)
		}
	}
}
