package auth

import (
	"slices"
	"time"

	"portico/shared/id"
)

// Caller is who calls: a program, a person, or a program for a person.
type Caller struct {
	Org   id.Org // zero: staff, until the request has named one
	Actor Actor
	// For is on whose behalf the actor acts: the member who let an app in, or whom
	// staff impersonates; zero: nobody else.
	For Actor
	// User is the person who calls, or in whose name an app does; zero: a program. For a
	// member the frame finds it.
	User id.User
	// Scope bounds the rights of a member's caller, such as the permissions that the
	// member gave to an app. Nil: if the members call themselves all of theirs, otherwise
	// none.
	Scope  Set
	Rights Authority // nil: not known yet
	// Proved is when the person last proved who they are; zero: it is a program.
	Proved time.Time
	// ReadOnly refuses everything but reading.
	ReadOnly bool
}

// Actor is who acts, as the log and the audit log name it.
type Actor struct {
	Type string
	ID   string
	Name string // at that time; "": of an API key it is looked up
}

// The types of actors.
const (
	APIKey      = "api_key"
	StaffKey    = "staff_key"
	Member      = "member"
	OAuthClient = "oauth_client"
	Portal      = "portal" // the holder of a link to the portal of one organization
	Staff       = "staff"  // a person
	User        = "user"   // a person who acts for no organization; never in an audit log
	System      = "system" // Portico itself; the id says which part of it
)

// IsStaff reports whether somebody of the company that runs Portico calls, in no member's
// name: only then a request may name the organization.
func (c Caller) IsStaff() bool {
	return c.For.ID == "" && (c.Actor.Type == StaffKey || c.Actor.Type == Staff)
}

// IsKnown reports whether it is known who calls.
func (c Caller) IsKnown() bool { return c.Actor.ID != "" }

// APIKey returns the API key that calls; zero: none does.
func (c Caller) APIKey() (key id.APIKey) {
	if c.Actor.Type == APIKey {
		key, _ = id.Parse[id.APIKey](c.Actor.ID)
	}
	return key
}

// Member returns the member who calls, or on whose behalf somebody does; zero: none.
func (c Caller) Member() (member id.Member) {
	for _, a := range []Actor{c.Actor, c.For} {
		if a.Type == Member {
			member, _ = id.Parse[id.Member](a.ID)
		}
	}
	return member
}

// IsSelf reports whether a person calls for themselves, or an app to which the person has
// given that.
func (c Caller) IsSelf() bool {
	return !c.User.IsZero() && (c.For.ID == "" && c.Actor.Type != Staff || c.Actor.Type == OAuthClient && slices.Contains(c.Scope, Self))
}

// Extent says on which resources the caller has a permission.
func (c Caller) Extent(p Permission) Extent {
	if c.Rights == nil {
		return Extent{}
	}
	return c.Rights.Extent(p)
}

// May reports whether the caller has a permission on all resources.
func (c Caller) May(p Permission) bool { return c.Extent(p).All }
