package role

import (
	"net/netip"
	"slices"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
)

// Subject is the member that a decision is about, with everything that gives them
// permissions.
type Subject struct {
	Member id.Member
	Name   string // the member's; no decision depends on it
	User   id.User
	Roles  []Role
	Grants []Grant
}

// Context is what is known about a request besides. Unknown values are missing in
// conditions, and a condition that uses a missing value is not true.
type Context struct {
	IP  netip.Addr // invalid: unknown
	Now time.Time
}

// Decision is an answer with all sources that gave the permission, or could have
// given it.
type Decision struct {
	Permission auth.Permission
	Allowed    bool
	Sources    []Source
}

// Source is a role or grant that contains the permission.
type Source struct {
	Kind      string // FromRole or FromGrant
	ID        string
	Name      string // a role's
	Condition string // a role's; "": none
	Allows    bool
	Why       string // why not, when it does not allow
}

// Kinds of sources.
const (
	FromRole  = "role"
	FromGrant = "resource_grant"
)

// Judge decides for one subject. It compiles the subject's conditions once, for
// any number of permissions and resources.
type Judge struct {
	subject    Subject
	conditions []condition // of subject.Roles
}

// NewJudge returns the judge of a subject.
func NewJudge(s Subject) Judge {
	j := Judge{subject: s}
	for _, role := range s.Roles {
		j.conditions = append(j.conditions, compile(role.Condition))
	}
	return j
}

// Subject returns whom the judge decides about.
func (j Judge) Subject() Subject { return j.subject }

// Decide returns whether the subject has a permission on a resource, and why. A
// role gives its permissions on every resource for which its condition is true; a
// grant gives one on its own resource. A condition with an error is not true.
func (j Judge) Decide(p auth.Permission, r auth.Resource, c Context) Decision {
	d := Decision{Permission: p}
	for i, role := range j.subject.Roles {
		if !slices.Contains(role.Permissions, p) {
			continue
		}
		source := Source{Kind: FromRole, ID: role.Ref.String(), Name: role.Name, Condition: role.Condition}
		source.Why = j.conditions[i].refuses(j.subject.Member, p, r, c)
		d.add(source)
	}
	for _, g := range j.subject.Grants {
		if g.Permission == p && g.covers(r) {
			d.add(Source{Kind: FromGrant, ID: g.ID.String()})
		}
	}
	return d
}

func (d *Decision) add(s Source) {
	s.Allows = s.Why == ""
	d.Allowed = d.Allowed || s.Allows
	d.Sources = append(d.Sources, s)
}
