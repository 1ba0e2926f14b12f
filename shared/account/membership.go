package account

import (
	"cmp"
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/invitation"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/session"
)

// Invitation is an open invitation as the reader of its link sees it.
type Invitation struct {
	Org                id.Org
	ID                 id.Invitation
	Email              string
	Organization, Role string // what they are called
	Known              bool   // the address has an account
}

// ReadInvitation reads the link of an invitation, or returns ErrLink. It changes nothing.
func (d *Desk) ReadInvitation(ctx context.Context, text string) (i Invitation, err error) {
	link, err := invitation.ParseLink(text)
	if err != nil {
		return i, ErrLink
	}
	err = d.DB.InOrg(ctx, link.Org, func(tx pg.Tx) error {
		found, err := invitation.Find(ctx, tx, link.Org, link.Token)
		if err != nil {
			return err
		}
		if found.Status(d.Clock.Now()) != invitation.Open {
			return invitation.ErrEnded
		}
		offered, err := role.Get(ctx, tx, link.Org, found.Role)
		if err != nil {
			return err
		}
		o, err := org.Get(ctx, tx, link.Org)
		i = Invitation{Org: link.Org, ID: found.ID, Email: found.Email, Organization: cmp.Or(o.Branding.DisplayName, o.Name), Role: offered.Name}
		return err
	})
	if err != nil {
		return Invitation{}, over(err)
	}
	login, err := d.login(ctx, i.Email)
	i.Known = !login.EmailVerifiedAt.IsZero()
	return i, err
}

// over returns ErrLink in place of why an invitation cannot be accepted any more.
func over(err error) error {
	for _, ended := range []error{invitation.ErrNotFound, invitation.ErrEnded, invitation.ErrLapsed, org.ErrNotFound, role.ErrNotFound} {
		if errors.Is(err, ended) {
			return errors.Join(ErrLink, err)
		}
	}
	return err
}

// Offers lists the open invitations of a person.
func (d *Desk) Offers(ctx context.Context, user id.User) ([]invitation.Offer, error) {
	email, err := d.Address(ctx, user)
	if err != nil {
		return nil, err
	}
	all, err := invitation.To(ctx, d.DB, email)
	if len(all) > 0 {
		err = nil // those of the other databases
	}
	return all, err
}

// Accept makes the person of a session a member of the organization that invites their
// address, and moves the session there. It returns ErrLink, invitation.ErrAnother, ErrBound
// for a session by a connection, and what Switch does: then the person is a member, and
// enters later.
func (d *Desk) Accept(ctx context.Context, s session.Session, of id.Org, wanted id.Invitation, v Visitor) (session.Session, session.Cookie, error) {
	if Bound(s) {
		return session.Session{}, session.Cookie{}, ErrBound
	}
	if err := d.accept(ctx, s.User, of, wanted, v); err != nil {
		return session.Session{}, session.Cookie{}, err
	}
	return d.Switch(ctx, s, of, v)
}

// accept holds the lock of the login, so the address stays proven until the person is a
// member.
func (d *Desk) accept(ctx context.Context, user id.User, of id.Org, wanted id.Invitation, v Visitor) (err error) {
	for range 2 {
		err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
			login, err := identity.Lock(ctx, tx, user)
			switch {
			case err != nil:
				return err
			case login.EmailVerifiedAt.IsZero(), !login.SuspendedAt.IsZero():
				return ErrWrong
			}
			profile, err := identity.GetProfile(ctx, tx, user)
			if err != nil {
				return err
			}
			p := invitation.Person{User: user, Email: login.Email, Name: profile.Name}
			return d.DB.InOrg(ctx, of, func(tx pg.Tx) error {
				return invitation.Accept(ctx, tx, of, wanted, p, v.Origin, d.Clock.Now())
			})
		})
		if !errors.Is(err, member.ErrExists) { // otherwise somebody has just added the person
			break
		}
	}
	return over(err)
}

// Decline ends the invitation of a link, which proves its address, or returns ErrLink.
func (d *Desk) Decline(ctx context.Context, text string, v Visitor) error {
	i, err := d.ReadInvitation(ctx, text)
	if err != nil {
		return err
	}
	return d.decline(ctx, i.Org, i.ID, i.Email, v)
}

// DeclineOffer ends an invitation for the address of a person. It returns ErrLink and
// invitation.ErrAnother.
func (d *Desk) DeclineOffer(ctx context.Context, user id.User, of id.Org, wanted id.Invitation, v Visitor) error {
	email, err := d.Address(ctx, user)
	if err != nil {
		return err
	}
	return d.decline(ctx, of, wanted, email, v)
}

func (d *Desk) decline(ctx context.Context, of id.Org, wanted id.Invitation, email string, v Visitor) error {
	return over(d.DB.InOrg(ctx, of, func(tx pg.Tx) error {
		return invitation.Decline(ctx, tx, of, wanted, email, v.Origin, d.Clock.Now())
	}))
}

// LeaveOrganization ends a person's membership at their own wish; their history and the
// organization's log say so. Their sessions leave it as those of anybody who was removed. It
// returns member.ErrNotFound if they are no member and member.ErrLastOwner. A process that dies
// after the membership has ended may leave it out of the history, not out of the log.
func (d *Desk) LeaveOrganization(ctx context.Context, user id.User, of id.Org, v Visitor) error {
	err := d.People.AsUser(ctx, user, func(home pg.Tx) error {
		if _, err := identity.GetProfile(ctx, home, user); err != nil {
			return err
		}
		written := false
		return d.DB.InOrg(ctx, of, func(tx pg.Tx) error { // may run again
			name, err := member.Leave(ctx, tx, of, user, v.Origin, d.Clock.Now())
			if err != nil || written {
				return err
			}
			written = true
			return identity.LeftOrganization(ctx, home, user, name, v.Origin, d.Clock.Now())
		})
	})
	if errors.Is(err, org.ErrNotFound) {
		err = member.ErrNotFound.Because(err)
	}
	return err
}

// Join makes the account of a newcomer with the link of an invitation, which proves the
// address, makes the person a member and signs them in. It returns ErrLink also if the
// address has an account by now.
func (d *Desk) Join(ctx context.Context, text string, p Person, v Visitor) (session.Session, session.Cookie, error) {
	fail := func(err error) (session.Session, session.Cookie, error) {
		return session.Session{}, session.Cookie{}, err
	}
	i, err := d.ReadInvitation(ctx, text)
	if err != nil {
		return fail(err)
	}
	hash, err := d.choose(ctx, p.Password, i.Email, p.Name, i.Organization)
	if err != nil {
		return fail(err)
	}
	p.Organization = ""
	user, version, err := d.make(ctx, i.Email, p, v, func(tx pg.Tx, user id.User) error {
		return identity.SetPassword(ctx, tx, user, kept(hash), v.Origin, d.Clock.Now())
	})
	if err != nil {
		return fail(err)
	}
	// A process that dies here leaves an account; the person signs in and accepts.
	if err := d.accept(ctx, user, i.Org, i.ID, v); err != nil && !errors.Is(err, ErrLink) {
		return fail(err)
	}
	return d.begin(ctx, user, version, v)
}
