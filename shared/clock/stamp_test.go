package clock_test

import (
	"encoding/json"
	"testing"
	"time"

	"portico/shared/clock"
)

// A stamp always has six digits and is in UTC; a missing one is null.
func TestStamp(t *testing.T) {
	east := time.FixedZone("east", 3600)
	whole, part := time.Date(2026, 11, 21, 10, 30, 0, 0, east), time.Date(2026, 11, 21, 9, 30, 0, 120_000_000, time.UTC)
	for _, tt := range []struct {
		at   *time.Time
		want string
	}{
		{&whole, `"2026-11-21T09:30:00.000000Z"`},
		{&part, `"2026-11-21T09:30:00.120000Z"`},
		{nil, `null`},
	} {
		got, err := json.Marshal(clock.StampOf(tt.at))
		if err != nil || string(got) != tt.want {
			t.Errorf("%v became %s, %v", tt.at, got, err)
		}
	}
}
