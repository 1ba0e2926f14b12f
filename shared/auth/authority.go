package auth

import "slices"

// Authority is what a caller may do.
type Authority interface {
	// Extent says on which resources the caller has a permission.
	Extent(Permission) Extent
	// Allows reports whether the caller has a permission on a resource.
	Allows(Permission, Resource) bool
	// Gives returns what the caller may give to others: what it has on all resources,
	// and under no condition.
	Gives() Set
}

// Extent is on which resources somebody has a permission.
type Extent struct {
	All bool
	IDs []string // if not All: on these
	// Why says why it is not known on which others; "": on no others.
	Why string
}

// None reports whether there is certainly no such resource.
func (e Extent) None() bool { return !e.All && len(e.IDs) == 0 && e.Why == "" }

// Resource is what a permission is about; zero: nothing in particular.
type Resource struct {
	Type string // the noun: webhook_endpoint
	ID   string // as customers see it: we_…
	// Attributes can be used in the conditions of roles: text, bool, int64, []string
	// or map[string]string.
	Attributes map[string]any
}

// Set is the authority of a program: each of its permissions, on all resources.
type Set []Permission

// Extent implements Authority.
func (s Set) Extent(p Permission) Extent { return Extent{All: slices.Contains(s, p)} }

// Allows implements Authority.
func (s Set) Allows(p Permission, _ Resource) bool { return slices.Contains(s, p) }

// Gives implements Authority.
func (s Set) Gives() Set { return s }

// Bounded is an authority of which only some permissions count.
type Bounded struct {
	Authority
	By Set
}

// Extent implements Authority.
func (b Bounded) Extent(p Permission) Extent {
	if !slices.Contains(b.By, p) {
		return Extent{}
	}
	return b.Authority.Extent(p)
}

// Allows implements Authority.
func (b Bounded) Allows(p Permission, r Resource) bool {
	return slices.Contains(b.By, p) && b.Authority.Allows(p, r)
}

// Gives implements Authority.
func (b Bounded) Gives() Set {
	return slices.DeleteFunc(slices.Clone(b.Authority.Gives()), func(p Permission) bool { return !slices.Contains(b.By, p) })
}
