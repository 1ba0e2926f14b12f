package testkit

import (
	"testing"

	"portico/shared/limit"
)

// Limits returns policies with limits that no test reaches by chance.
func Limits(t testing.TB) limit.Policies {
	t.Helper()
	list, err := limit.NewPolicies(map[string]int64{
		"requests": 1_000_000, "expensive_requests": 60_000_000, "work": 60_000_000, "organization_requests": 60_000_000,
		"organization_work": 60_000_000, "refused_requests": 60_000_000,
	})
	Must(t, err)
	return list
}
