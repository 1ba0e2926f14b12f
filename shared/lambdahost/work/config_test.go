package work

import (
	"strings"
	"testing"
	"time"

	"portico/shared/lambdahost"
)

// A variable with a default may be absent; one that is set must be readable.
func TestDispatcherEnvironment(t *testing.T) {
	for _, name := range []string{"DISPATCHER_CONCURRENCY", "DISPATCHER_IDLE", "DISABLE_AFTER", "DISABLE_AFTER_FAILURES"} {
		t.Setenv(name, "")
	}
	var e dispatcherEnv
	if err := lambdahost.Read(&e); err != nil || e.Concurrency != 128 || e.Idle != 5*time.Second || e.DisableAfter != 120*time.Hour || e.DisableAfterFailures != 20 {
		t.Errorf("defaults: %+v, %v", e, err)
	}
	t.Setenv("DISPATCHER_CONCURRENCY", "7")
	t.Setenv("DISPATCHER_IDLE", "90s")
	if err := lambdahost.Read(&e); err != nil || e.Concurrency != 7 || e.Idle != 90*time.Second {
		t.Errorf("set: %+v, %v", e, err)
	}
	t.Setenv("DISPATCHER_IDLE", "soon")
	if err := lambdahost.Read(&e); err == nil || !strings.Contains(err.Error(), "Idle") {
		t.Errorf("an unreadable duration: %v", err)
	}
}

// Each database has an equal share of the dispatchers, at least one.
func TestShareOfDispatchers(t *testing.T) {
	t.Setenv("DISPATCHER_MAX_CONCURRENCY", "8")
	var e dispatcherEnv
	if err := lambdahost.Read(&e); err != nil {
		t.Fatal(err)
	}
	for databases, want := range map[int]int{1: 8, 3: 2, 9: 1} {
		if got := e.share(databases); got != want {
			t.Errorf("of %d databases each may have %d, want %d", databases, got, want)
		}
	}
	if got := (dispatcherEnv{}).share(3); got != 0 {
		t.Errorf("without a known maximum each may have %d, want any number (0)", got)
	}
}
