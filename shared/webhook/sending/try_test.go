package sending_test

import (
	"testing"
	"time"

	"portico/shared/webhook/sending"
)

// Retry-After is read as seconds and as a date; any other value is ignored.
func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "4294967295": 4294967295 * time.Second,
		"Wed, 21 Oct 2026 07:28:30 GMT":     30 * time.Second,
		"Wednesday, 21-Oct-26 07:28:30 GMT": 30 * time.Second,
		"Wed Oct 21 07:28:30 2026":          30 * time.Second,
		"Wed, 21 Oct 2026 07:27:00 GMT":     0,
		"":                                  0, "soon": 0, "-1": 0, "+5": 0, "1.5": 0, "5s": 0, "1,2": 0, "99999999999999999999": 0, "2026-10-21T08:00:00Z": 0,
	} {
		if got := sending.ParseRetryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
