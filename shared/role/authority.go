package role

import (
	"slices"

	"portico/shared/auth"
)

// Authority is what a member may do now. It implements auth.Authority.
type Authority struct {
	Judge   Judge
	Context Context
}

// Extent says on which resources the member has a permission. A condition that does
// not look at the resource is decided here.
func (a Authority) Extent(p auth.Permission) (e auth.Extent) {
	for i, r := range a.Judge.subject.Roles {
		if !slices.Contains(r.Permissions, p) {
			continue
		}
		k := a.Judge.conditions[i]
		switch {
		case k.looksAtResource:
			e.Why = "your role " + r.Name + " gives " + string(p) + " under a condition on each resource"
		case k.refuses(a.Judge.subject.Member, p, auth.Resource{}, a.Context) == "":
			return auth.Extent{All: true}
		}
	}
	for _, g := range a.Judge.subject.Grants {
		if g.Permission == p {
			e.IDs = append(e.IDs, g.ResourceID)
		}
	}
	return e
}

// Allows reports whether the member has a permission on a resource.
func (a Authority) Allows(p auth.Permission, r auth.Resource) bool {
	return a.Judge.Decide(p, r, a.Context).Allowed
}

// Gives returns the permissions of the member's roles that have no condition.
// Otherwise a member could give away, for good, what they have only now.
func (a Authority) Gives() (gives auth.Set) {
	for _, r := range a.Judge.subject.Roles {
		if r.Condition == "" {
			gives = append(gives, r.Permissions...)
		}
	}
	return gives
}
