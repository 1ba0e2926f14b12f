// Package limit decides whether a call may be made now: it counts what callers do
// against the limits of policies. The counts are in DynamoDB, so all environments
// share them; an environment that is busy takes part of a limit ahead, as a lease,
// and counts in memory.
package limit

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Scope is whose calls a policy counts together.
type Scope string

// The scopes.
const (
	ByKey          Scope = "api_key"
	ByOrganization Scope = "organization"
	ByAddress      Scope = "address" // an IPv4 address, or the /64 of an IPv6 address
)

// Algorithm is how a policy counts.
type Algorithm string

// The algorithms.
const (
	// FixedWindow counts from the beginning of each window: up to twice the limit
	// fits around the border of two windows.
	FixedWindow Algorithm = "fixed_window"
	// SlidingWindow adds the part of the window before that the last Window still
	// covers, as if its calls had been spread evenly.
	SlidingWindow Algorithm = "sliding_window"
	// TokenBucket allows Burst at once, and Limit per Window in the long run (the
	// generic cell rate algorithm).
	TokenBucket Algorithm = "token_bucket"
)

// Unit is what a policy counts.
type Unit string

// The units.
const (
	Requests  Unit = "requests"
	Expensive Unit = "expensive_requests" // requests of operations with a Cost of CostsMuch or more
	Work      Unit = "work_units"         // what requests cause, see Op.Cost in package edge
)

// CostsMuch is from which cost on an operation is an expensive one.
const CostsMuch = 5

// Policy is one limit: how much of a unit each thing of a scope may use.
type Policy struct {
	Name      string // in headers, replies and overrides: [a-z_]
	Scope     Scope
	Unit      Unit
	Algorithm Algorithm
	Limit     int64 // per Window
	Window    time.Duration
	Burst     int64 // of a TokenBucket: how much at once
	// FailsClosed refuses while DynamoDB cannot be asked. Otherwise each
	// environment allows its share of the limit.
	FailsClosed bool
	// Delays lets a call wait up to two seconds instead of being refused.
	Delays bool
}

// ratio of burst to limit of the default token bucket: two seconds' worth.
const burstOf = 2

// catalog has the policies without their limits, which the stage sets.
var catalog = []Policy{
	{Name: "requests", Scope: ByKey, Unit: Requests, Algorithm: TokenBucket, Window: time.Second},
	{Name: "expensive_requests", Scope: ByKey, Unit: Expensive, Algorithm: SlidingWindow, Window: time.Minute},
	{Name: "work", Scope: ByKey, Unit: Work, Algorithm: SlidingWindow, Window: time.Minute},
	{Name: "organization_requests", Scope: ByOrganization, Unit: Requests, Algorithm: SlidingWindow, Window: time.Minute},
	{Name: "organization_work", Scope: ByOrganization, Unit: Work, Algorithm: SlidingWindow, Window: time.Minute},
	{Name: "refused_requests", Scope: ByAddress, Unit: Requests, Algorithm: FixedWindow, Window: time.Minute},
}

// Policies are those of a stage.
type Policies []Policy

// NewPolicies returns the policies with these limits by name. Every policy needs
// one, so that none is unlimited. Those that delayed names let calls wait.
func NewPolicies(limits map[string]int64, delayed ...string) (Policies, error) {
	list := make(Policies, len(catalog))
	for i, p := range catalog {
		limit, ok := limits[p.Name]
		if !ok || limit < 1 || limit > MaxLimit {
			return nil, fmt.Errorf("LIMITS must give the policy %s a limit of 1 to %d", p.Name, MaxLimit)
		}
		list[i] = p.With(limit)
		list[i].Delays = slices.Contains(delayed, p.Name)
	}
	for _, name := range delayed {
		if _, ok := list.Named(name); !ok {
			return nil, fmt.Errorf("LIMITS_DELAYED names the policy %s, which does not exist", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if _, ok := list.Named(name); !ok {
			return nil, fmt.Errorf("LIMITS names the policy %s, which does not exist", name)
		}
	}
	return list, nil
}

// MaxLimit is the largest limit. A token bucket of so many a second gets one every
// ten nanoseconds; it cannot count much finer.
const MaxLimit = 100_000_000

// With returns the policy with another limit.
func (p Policy) With(limit int64) Policy {
	p.Limit = limit
	if p.Algorithm == TokenBucket {
		p.Burst = limit * burstOf
	}
	return p
}

// full is the time in which a policy allows as much as it allows at once.
func (p Policy) full() time.Duration {
	if p.Algorithm == TokenBucket {
		return p.Window * time.Duration(p.Burst) / time.Duration(p.Limit)
	}
	return p.Window
}

// Named returns the policy with a name.
func (l Policies) Named(name string) (Policy, bool) {
	if i := slices.IndexFunc(l, func(p Policy) bool { return p.Name == name }); i >= 0 {
		return l[i], true
	}
	return Policy{}, false
}

// Of returns the policies of a scope.
func (l Policies) Of(s Scope) (list Policies) {
	for _, p := range l {
		if p.Scope == s {
			list = append(list, p)
		}
	}
	return list
}
