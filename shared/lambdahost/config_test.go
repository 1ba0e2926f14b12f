package lambdahost

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// unset removes variables from the environment during a test.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "")
	}
}

// The error of a function without its configuration names all missing variables
// at once.
func TestMissingEnvironmentIsNamedAtOnce(t *testing.T) {
	names := []string{"DATABASE_URL", "API_KEY_TABLE", "DOMAIN_TABLE", "LIMITS", "LIMIT_TABLE", "LIMIT_ENVIRONMENTS", "SEALING_SECRET", "DUE_TABLE", "DISPATCH_QUEUE_URL", "HIGH_QUEUE_URL", "BULK_QUEUE_URL", "BILLING_QUEUE_URL", "SEQUENCER_QUEUE_URL"}
	unset(t, names...)
	err := read(&databaseEnv{}, &keysEnv{}, &domainEnv{}, &limitEnv{}, &limitTableEnv{}, &sealingEnv{}, &wakeEnv{}, &jobQueuesEnv{}, &sequencerEnv{})
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	t.Setenv("DATABASE_URL", "postgres://localhost/portico")
	if err := read(&databaseEnv{}, &keysEnv{}); err == nil || strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("with DATABASE_URL set: %v", err)
	}
}

// A variable with a default may be absent; one that is set must be readable.
func TestDispatcherEnvironment(t *testing.T) {
	unset(t, "DISPATCHER_CONCURRENCY", "DISPATCHER_IDLE", "DISABLE_AFTER", "DISABLE_AFTER_FAILURES")
	var e dispatcherEnv
	if err := read(&e); err != nil || e.Concurrency != 128 || e.Idle != 5*time.Second || e.DisableAfter != 120*time.Hour || e.DisableAfterFailures != 20 {
		t.Errorf("defaults: %+v, %v", e, err)
	}
	t.Setenv("DISPATCHER_CONCURRENCY", "7")
	t.Setenv("DISPATCHER_IDLE", "90s")
	if err := read(&e); err != nil || e.Concurrency != 7 || e.Idle != 90*time.Second {
		t.Errorf("set: %+v, %v", e, err)
	}
	t.Setenv("DISPATCHER_IDLE", "soon")
	if err := read(&e); err == nil || !strings.Contains(err.Error(), "Idle") {
		t.Errorf("an unreadable duration: %v", err)
	}
}

// Each database has an equal share of the dispatchers, at least one.
func TestShareOfDispatchers(t *testing.T) {
	t.Setenv("DISPATCHER_MAX_CONCURRENCY", "8")
	var e dispatcherEnv
	if err := read(&e); err != nil {
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

// Limits are a map from policies to numbers.
func TestLimitEnvironment(t *testing.T) {
	t.Setenv("LIMIT_ENVIRONMENTS", "30")
	t.Setenv("LIMITS", "requests:200,work:60000")
	var e limitEnv
	if err := read(&e); err != nil || !maps.Equal(e.Limits, map[string]int64{"requests": 200, "work": 60000}) || e.Environments != 30 {
		t.Errorf("read %+v, %v", e, err)
	}
	t.Setenv("LIMITS", "requests:many")
	if err := read(&e); err == nil || !strings.Contains(err.Error(), "Limits") {
		t.Errorf("a limit that is no number: %v", err)
	}
}

// Source addresses are a list; a function without them has none.
func TestSourceIPs(t *testing.T) {
	for value, want := range map[string][]string{
		"": nil, "203.0.113.7": {"203.0.113.7"}, "203.0.113.7,203.0.113.8": {"203.0.113.7", "203.0.113.8"},
	} {
		t.Setenv("SOURCE_IPS", value)
		var e egressEnv
		if err := read(&e); err != nil || !slices.Equal(e.SourceIPs, want) {
			t.Errorf("%q: %q, want %q (%v)", value, e.SourceIPs, want, err)
		}
	}
}

// The clock of a function is ahead by the offset in its environment.
func TestClockOffset(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	unset(t, "STAGE")
	if _, err := newHost(context.Background()); err == nil || !strings.Contains(err.Error(), "STAGE") {
		t.Errorf("without STAGE: %v", err)
	}
	t.Setenv("STAGE", "local")
	t.Setenv("PORTICO_CLOCK_OFFSET", "26h")
	h, err := newHost(context.Background())
	if err != nil || h.clock.Offset() != 26*time.Hour {
		t.Fatalf("the clock is not ahead by 26 h: %v", err)
	}
}
