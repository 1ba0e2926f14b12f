package schedule_test

import (
	"testing"
	"time"

	"portico/shared/job/schedule"
)

// FuzzParse: the planned times of an expression follow each other, at whole minutes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0 3 * * *", "*/5 * * * *", "59 23 31 12 0", "0 0 29 2 *", "@daily", "@every 1ns", "TZ=UTC 0 0 * * *", "0 0 31 2 *", "60 * * * *", "1-5/2,7 * ? * MON-FRI"} {
		for _, zone := range []string{"UTC", "Europe/Berlin", "Lord_Howe"} {
			f.Add(seed, zone, int64(1793000000))
		}
	}
	f.Fuzz(func(t *testing.T, expression, zone string, after int64) {
		times, err := schedule.Parse(expression, zone)
		if err != nil || after < 0 || after > 4e9 {
			return
		}
		at := time.Unix(after, 0)
		for range 3 {
			next := times.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) || next.Second() != 0 {
				t.Fatalf("%q in %q: %s comes after %s", expression, zone, next, at)
			}
			at = next
		}
	})
}
