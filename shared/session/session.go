// Package session holds the sessions of people who have signed in, in the DynamoDB
// table Identity. A browser carries a session's secret in a cookie; only its hash is
// stored. docs/identity.md describes the life of a session.
package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/id"
)

const (
	// Most is how many live sessions a person may have. When another one starts, the
	// oldest one ends.
	Most = 20
	// longest is how long a session may live, however often its person proves again
	// who they are.
	longest = 30 * 24 * time.Hour
	// kept is how long it stays known why a session has ended.
	kept = 7 * 24 * time.Hour
)

// Session is a session without its secret.
type Session struct {
	ID         id.Session
	User       id.User
	Org        id.Org // which the person works in; zero: none yet
	Host       string // at any other host the session does not exist
	Factors    []string
	Connection string // the single sign-on that the person came through; "": none
	// Parent is the session at the host where people sign in that has handed over to this
	// one; zero: none. When it is ended, this one ends too.
	Parent     id.Session
	Device, IP string // where it was started
	CreatedAt  time.Time
	SignedInAt time.Time // the last time that the person signed in with all that was demanded
	ProvedAt   time.Time // the last proof of any factor
	SeenAt     time.Time // the last use, to the minute
	EndsAt     time.Time // the latest end; see also Store.idle

	endedAt time.Time // zero: nobody has ended it
	why     Why
	forget  time.Time // when DynamoDB may delete the item
	key     string    // of its item, with the hash of its cookie
}

// Why is why a session has ended.
type Why string

// The reasons.
const (
	SignedOut Why = "signed_out"
	Revoked   Why = "revoked"   // by the person, from another session, or by an administrator
	Replaced  Why = "replaced"  // by a newer session
	Suspended Why = "suspended" // the person was
	Idle      Why = "idle"
	Absolute  Why = "absolute" // its latest end has come
)

// ErrNone is returned when there is no session with this cookie at this host, or
// none with this id.
var ErrNone = errors.New("session: no such session")

// Ended is the error for a session that has ended.
type Ended struct{ Why Why }

func (e Ended) Error() string { return fmt.Sprintf("session: it has ended: %s", e.Why) }

// end returns why the session has ended, or "".
func (s Session) end(now time.Time, idle time.Duration) Why {
	switch {
	case !s.endedAt.IsZero():
		return s.why
	case !now.Before(s.EndsAt):
		return Absolute
	case !now.Before(s.SeenAt.Add(idle)):
		return Idle
	}
	return ""
}

// limit sets the latest end. life is how long a session of the organization may live
// after the person has signed in.
func (s *Session) limit(life time.Duration) {
	s.EndsAt = s.SignedInAt.Add(life)
	if most := s.CreatedAt.Add(longest); s.EndsAt.After(most) {
		s.EndsAt = most
	}
	s.forget = s.EndsAt.Add(kept).Truncate(time.Second)
}

// add adds factors to those that the person has proved.
func (s *Session) add(factors []string) {
	s.Factors = slices.Concat(s.Factors, factors)
	slices.Sort(s.Factors)
	s.Factors = slices.Compact(s.Factors)
}
