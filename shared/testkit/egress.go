package testkit

import (
	"testing"

	"portico/shared/egress"
)

// Loopback returns a policy that lets senders reach receivers on this machine, by
// IPv4.
func Loopback(t testing.TB) egress.Policy {
	t.Helper()
	policy, err := egress.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
