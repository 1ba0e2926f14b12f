// Package invitation asks people to become members of an organization. An invitation is
// for an address: the person who has proven exactly this address accepts it, with the link
// that was mailed or when signed in.
package invitation

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/role"
)

// Invitation is what an organization offers the person with an address.
type Invitation struct {
	ID     id.Invitation
	Email  string
	Role   role.Ref
	Locale string // of mails to the member; "": the organization's
	// Inviter is who has invited, or sent it last: a member, a key or an app. When the invitation is accepted
	// they must still be allowed to add a member with this role.
	Inviter    auth.Actor
	CreatedAt  time.Time
	ExpiresAt  time.Time
	AcceptedAt *time.Time
	RevokedAt  *time.Time
	Declined   bool // it was the invited person who ended it, at RevokedAt
}

// The statuses of an invitation.
const (
	Open     = "open"
	Accepted = "accepted"
	Declined = "declined"
	Revoked  = "revoked"
	Expired  = "expired"
)

// Status says where an invitation stands.
func (i Invitation) Status(now time.Time) string {
	switch {
	case i.AcceptedAt != nil:
		return Accepted
	case i.Declined:
		return Declined
	case i.RevokedAt != nil && i.RevokedAt.Before(i.ExpiresAt):
		return Revoked
	case i.RevokedAt != nil || !now.Before(i.ExpiresAt):
		return Expired
	}
	return Open
}

// Lasts is how long a mailed link works.
const Lasts = 7 * 24 * time.Hour

// Most bounds an organization's open invitations.
const Most = 1000

var (
	// ErrNotFound is returned when the invitation does not exist or belongs to another
	// organization.
	ErrNotFound = fault.New(fault.NotFound, "invitation_not_found", "There is no invitation with this id.").
			Means("Your organization has no invitation with this id.")
	// ErrExists is returned when the address has an open invitation of the organization.
	ErrExists = fault.New(fault.Conflict, "invitation_exists", "There is an open invitation for this e-mail address. Send it again, or revoke it first.").
			Means("There is an open invitation for this e-mail address already.")
	// ErrEnded is returned when an invitation can no longer be used or sent.
	ErrEnded = fault.New(fault.Conflict, "invitation_ended", "This invitation was accepted, declined or revoked. Make another one.").
			Means("The invitation was accepted, declined or revoked.")
	// ErrTooMany is returned when the organization has Most open invitations.
	ErrTooMany = fault.New(fault.Conflict, "too_many_invitations", fmt.Sprintf("An organization has at most %d open invitations. Revoke those that nobody will accept.", Most)).
			Means("The organization has reached the limit of open invitations.")
	// ErrAnother is returned to a person who has not proven the invited address.
	ErrAnother = errors.New("invitation: it is for another address")
	// ErrLapsed is returned when whoever has invited may no longer add a member with the role.
	ErrLapsed = errors.New("invitation: who has invited may no longer give the role")
)

const columns = `id, email, predefined, role_id, locale, inviter_type, inviter_id, inviter_name, created_at, expires_at, accepted_at, revoked_at, declined`

// ScanRow reads columns.
func (i *Invitation) ScanRow(row pgx.Rows) error {
	var predefined *string
	err := row.Scan(&i.ID, &i.Email, &predefined, &i.Role.Custom, &i.Locale, &i.Inviter.Type, &i.Inviter.ID, &i.Inviter.Name, &i.CreatedAt, &i.ExpiresAt, &i.AcceptedAt, &i.RevokedAt, &i.Declined)
	if predefined != nil {
		i.Role.Predefined = *predefined
	}
	return err
}
