package testkit

import (
	"testing"
	"time"
)

// Await returns when a condition holds, and fails the test after a minute: long
// enough for a machine that is busy, which only a failure has to wait for.
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
