package testkit

import (
	"testing"

	"portico/shared/egress"
)

// Loopback lets senders reach this machine by IPv4, where tests have their
// receivers.
func Loopback(t testing.TB) egress.Policy {
	t.Helper()
	policy, err := egress.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
