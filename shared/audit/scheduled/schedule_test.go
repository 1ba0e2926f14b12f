package scheduled_test

import (
	"testing"
	"time"

	"portico/shared/audit/scheduled"
)

// Periods are whole days and ISO weeks in UTC, whatever the zone of the time is.
func TestPeriodAt(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 14*3600)
	for _, tt := range []struct {
		every string
		at    time.Time
		name  string
		since string
	}{
		{scheduled.Day, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "2026-11-22", "2026-11-22"},
		{scheduled.Day, time.Date(2026, 11, 22, 23, 59, 59, 999, time.UTC), "2026-11-22", "2026-11-22"},
		{scheduled.Day, time.Date(2026, 11, 22, 1, 0, 0, 0, east), "2026-11-21", "2026-11-21"},
		{scheduled.Week, time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC), "2026-W47", "2026-11-16"},
		{scheduled.Week, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), "2026-W48", "2026-11-23"},
		{scheduled.Week, time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), "2026-W53", "2026-12-28"},
		{scheduled.Week, time.Date(2024, 12, 31, 0, 0, 0, 0, time.UTC), "2025-W01", "2024-12-30"},
	} {
		p := scheduled.PeriodAt(tt.every, tt.at)
		if p.String() != tt.name || p.Since.Format(time.DateOnly) != tt.since || tt.at.Before(p.Since) || !tt.at.Before(p.Until) {
			t.Errorf("%s at %s: %s, %v", tt.every, tt.at, p, p)
		}
	}
}
