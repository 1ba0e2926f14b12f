package member

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
)

// Leave takes a user out of an organization at their own wish, as Delete does, and writes the
// entry of its audit log. It returns what the organization is called. It returns ErrNotFound if
// the user is no member, org.ErrNotFound if the organization is deleted, and ErrLastOwner.
func Leave(ctx context.Context, tx pg.Tx, of id.Org, user id.User, by audit.Origin, now time.Time) (name string, err error) {
	o, err := org.Get(ctx, tx, of)
	if err != nil {
		return "", err
	}
	m, err := OfUser(ctx, tx, of, user)
	if err != nil {
		return "", err
	}
	m, err = Delete(ctx, tx, of, m.ID, func(role.Role) error { return nil })
	if err != nil {
		return "", err
	}
	actor, on := by.Actor(audit.Actor{Type: auth.Member, ID: m.ID.String(), Name: m.Name})
	return o.Name, audit.Insert(ctx, tx, of, audit.Entry{
		Action: "member.leave", Actor: actor, For: on, Targets: []audit.Target{audit.Of("member", m.ID)},
		Before: m.Fields(), Origin: by, CreatedAt: now,
	})
}

// Fields are what an audit entry shows of a member.
func (m Member) Fields() audit.Fields {
	return audit.Fields{"email": m.Email, "name": m.Name, "role": m.Role.String(), "locale": m.Locale}
}
