package jobs_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/jobs"
)

// A nudge for a database that does not exist is an error. A call for help that
// has waited for a long time is ignored.
func TestDispatchReadsNudges(t *testing.T) {
	dispatch := jobs.Dispatch[jobs.Dispatcher](nil)
	for body, fails := range map[string]bool{
		`{}`:                  true,
		`{"database":"acme"}`: true,
		`no JSON`:             true,
		`{"database":"acme","help_at":"` + time.Now().Format(time.RFC3339) + `"}`: true,
		`{"database":"acme","help_at":"2026-01-01T00:00:00Z"}`:                    false,
	} {
		if err := dispatch(context.Background(), body); (err != nil) != fails {
			t.Errorf("%s: %v", body, err)
		}
	}
}
