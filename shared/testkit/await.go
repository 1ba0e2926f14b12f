package testkit

import (
	"testing"
	"time"
)

// Await returns when a condition is true, and fails the test after a minute. That
// is long enough for a busy machine; only a test that fails waits so long.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !holds() {
		select {
		case <-late:
			t.Fatalf("waited a minute for %s", what)
		case <-tick.C:
		}
	}
}
