package role

import (
	"net/netip"
	"slices"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
)

// Subject is who asks: a member with all that gives them permissions.
type Subject struct {
	Member id.Member
	Roles  []Role
	Grants []Grant
}

// Resource is what is asked about; the zero one is nothing in particular.
type Resource struct {
	Type string // the noun: webhook_endpoint
	ID   string // as customers see it: we_…
	// Attributes are what conditions may look at: text, bool, int64, []string or map[string]string.
	Attributes map[string]any
}

// Context is what is known of a request besides. What is unknown is missing
// for conditions, and what looks at something missing does not hold.
type Context struct {
	IP  netip.Addr // invalid: unknown
	Now time.Time
}

// Decision is an answer with all that spoke for it, or could have.
type Decision struct {
	Permission auth.Permission
	Allowed    bool
	Sources    []Source
}

// Source is a role or grant that holds the permission.
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

// Judge decides for one subject. Its conditions are compiled once, for however
// many permissions and resources it is asked about.
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

// Decide says whether the subject may do something with a resource, and why. A
// role counts for every resource for which its condition holds, a grant for its
// own resource. A condition that fails does not hold.
func (j Judge) Decide(p auth.Permission, r Resource, c Context) Decision {
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

// List returns those of the resources with which the subject may do something:
// exactly those that Decide allows. What does not depend on the resource is
// looked at once.
func (j Judge) List(p auth.Permission, resources []Resource, c Context) []Resource {
	var conditions []condition
	for i, role := range j.subject.Roles {
		if !slices.Contains(role.Permissions, p) {
			continue
		}
		if role.Condition == "" {
			return resources
		}
		conditions = append(conditions, j.conditions[i])
	}
	var granted []Grant
	for _, g := range j.subject.Grants {
		if g.Permission == p {
			granted = append(granted, g)
		}
	}
	var list []Resource
	for _, r := range resources {
		if slices.ContainsFunc(granted, func(g Grant) bool { return g.covers(r) }) ||
			slices.ContainsFunc(conditions, func(k condition) bool { return k.refuses(j.subject.Member, p, r, c) == "" }) {
			list = append(list, r)
		}
	}
	return list
}
