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
	err := Read(&DatabaseEnv{}, &KeysEnv{}, &DomainEnv{}, &LimitEnv{}, &LimitTableEnv{}, &SealingEnv{}, &WakeEnv{}, &JobQueuesEnv{}, &SequencerEnv{})
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	t.Setenv("DATABASE_URL", "postgres://localhost/portico")
	if err := Read(&DatabaseEnv{}, &KeysEnv{}); err == nil || strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("with DATABASE_URL set: %v", err)
	}
}

// Limits are a map from policies to numbers.
func TestLimitEnvironment(t *testing.T) {
	t.Setenv("LIMIT_ENVIRONMENTS", "30")
	t.Setenv("LIMITS", "requests:200,work:60000")
	var e LimitEnv
	if err := Read(&e); err != nil || !maps.Equal(e.Limits, map[string]int64{"requests": 200, "work": 60000}) || e.Environments != 30 {
		t.Errorf("read %+v, %v", e, err)
	}
	t.Setenv("LIMITS", "requests:many")
	if err := Read(&e); err == nil || !strings.Contains(err.Error(), "Limits") {
		t.Errorf("a limit that is no number: %v", err)
	}
}

// Source addresses are a list; a function without them has none.
func TestSourceIPs(t *testing.T) {
	for value, want := range map[string][]string{
		"": nil, "203.0.113.7": {"203.0.113.7"}, "203.0.113.7,203.0.113.8": {"203.0.113.7", "203.0.113.8"},
	} {
		t.Setenv("SOURCE_IPS", value)
		var e EgressEnv
		if err := Read(&e); err != nil || !slices.Equal(e.SourceIPs, want) {
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
	if err != nil || h.Clock.Offset() != 26*time.Hour {
		t.Fatalf("the clock is not ahead by 26 h: %v", err)
	}
}
