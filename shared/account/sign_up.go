package account

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/invitation"
	"portico/shared/mail/template"
	"portico/shared/member"
	"portico/shared/name"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/session"
	"portico/shared/signin"
)

// SignUp mails a link to an address, or that it has an account already: with the same
// statements, one mail each. Nothing is stored until the link is used, so nobody can fill
// the database or choose a password for somebody else's address.
func (d *Desk) SignUp(ctx context.Context, email, locale string, v Visitor) error {
	login, err := d.login(ctx, email)
	switch {
	case err != nil:
		return err
	case !login.EmailVerifiedAt.IsZero():
		return d.send(ctx, login.Email, locale, template.SignUpKnownAddress.With(d.notice(signInPath, v)))
	}
	return d.sendSignUp(ctx, email, locale, v)
}

// admitted reports whether a newcomer may have an account without an organization of their
// own. Where everybody may sign up that is nobody, or a stranger's invitation would keep
// people from their own organization. Otherwise it is who was added or invited by one; it
// returns ErrUninvited for all others.
func (d *Desk) admitted(ctx context.Context, email string) (bool, error) {
	if d.Open {
		return false, nil
	}
	offers, err := invitation.To(ctx, d.DB, email)
	if len(offers) > 0 {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	user, err := member.KnownUser(ctx, d.DB, email)
	if err != nil {
		return false, err
	}
	all, err := identity.Memberships(ctx, d.DB, user)
	if len(all) == 0 && err == nil {
		err = ErrUninvited
	}
	return err == nil, err
}

// ErrUninvited is returned for a person whom no organization has added or invited, where
// not everybody may sign up.
var ErrUninvited = errors.New("account: the person is not invited")

// ErrNoOrganization is returned if a person who makes an organization gives it no name.
var ErrNoOrganization = errors.New("account: the organization has no name")

// Person is who signs up.
type Person struct {
	Name, Organization string // Organization: what the new one is called; "": none is made
	Password           string
}

// Confirm makes the account of a link, and an organization of its own, and signs the
// person in. What it writes before the link is used up is the same when it is repeated, so
// a person whom a crash has interrupted uses the link again.
func (d *Desk) Confirm(ctx context.Context, token string, p Person, v Visitor) (session.Session, session.Cookie, error) {
	fail := func(err error) (session.Session, session.Cookie, error) {
		return session.Session{}, session.Cookie{}, err
	}
	m, err := d.ReadSignUp(ctx, token)
	if err != nil {
		return fail(err)
	}
	if m.Invited {
		p.Organization = ""
	} else if p.Organization == "" {
		return fail(ErrNoOrganization)
	}
	hash, err := d.choose(ctx, p.Password, m.Email, p.Name, p.Organization)
	if err != nil {
		return fail(err)
	}
	user, version, err := d.make(ctx, m.Email, p, v, func(tx pg.Tx, user id.User) error {
		return identity.SetPassword(ctx, tx, user, kept(hash), v.Origin, d.Clock.Now())
	})
	if err != nil {
		return fail(err)
	}
	// A process that dies here leaves an account; the person signs in with the password.
	return d.begin(ctx, user, version, v)
}

// begin starts the first session of a person who has just chosen a password.
func (d *Desk) begin(ctx context.Context, user id.User, version int64, v Visitor) (session.Session, session.Cookie, error) {
	first, policy, err := d.first(ctx, user, session.Session{})
	if err != nil {
		return session.Session{}, session.Cookie{}, err
	}
	if policy.NeedsSecond { // the person enters it when they have one
		first, policy = id.Org{}, alone
	}
	return d.entrance().Start(ctx, session.Session{User: user, Org: first, Host: v.Host, Factors: []string{byPassword}, Device: v.Device(), IP: v.ip()},
		signin.Beginning{Version: version, Life: policy.Life, By: v.Origin})
}

// make makes an account whose address is proven, with its first credential, and the
// organization. Repeated, it writes the same until the address is proven. It returns the
// version of the credentials.
func (d *Desk) make(ctx context.Context, email string, p Person, v Visitor, credential func(pg.Tx, id.User) error) (user id.User, version int64, err error) {
	begun, err := identity.Begin(ctx, d.DB, d.People, email, p.Name, d.Clock.Now())
	switch {
	case err != nil:
		return user, 0, err
	case begun.Known:
		return user, 0, ErrLink
	}
	if p.Organization != "" {
		if err := d.found(ctx, id.Derive[id.Org]("sign-up "+begun.User.String()), begun.User, email, p, v); err != nil {
			return user, 0, err
		}
	}
	version, err = d.prove(ctx, begun.User, p.Name, v, credential)
	return begun.User, version, err
}

// prove stores that a person has proven the address, the name, and the first credential.
// Whoever gave the address before is out.
func (d *Desk) prove(ctx context.Context, user id.User, name string, v Visitor, credential func(pg.Tx, id.User) error) (version int64, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, user)
		switch {
		case err != nil:
			return err
		case !login.EmailVerifiedAt.IsZero(), !login.SuspendedAt.IsZero(): // the same link, at the same time
			return ErrLink
		}
		if _, err := identity.Verify(ctx, tx, login, 0, v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		if err := credential(tx, user); err != nil {
			return err
		}
		if err := identity.Rename(ctx, tx, user, name); err != nil {
			return err
		}
		if login, err = identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		version = login.CredentialVersion
		return d.endAll(ctx, user, id.Session{}, session.Revoked, v.Origin)
	})
	return version, err
}

// found makes an organization with the person as its owner, unless it exists.
func (d *Desk) found(ctx context.Context, of id.Org, user id.User, email string, p Person, v Visitor) error {
	now := d.Clock.Now()
	err := d.DB.InOrg(ctx, of, func(tx pg.Tx) error {
		if err := org.Insert(ctx, tx, org.Organization{ID: of, Name: p.Organization, CreatedAt: now}); err != nil {
			return err
		}
		owner, err := member.Insert(ctx, tx, of, member.Member{ID: id.New[id.Member](now), UserID: user, Email: email, Name: p.Name, Role: role.Ref{Predefined: role.Owner}, CreatedAt: now})
		if err != nil {
			return err
		}
		if err := member.Enter(ctx, tx, of, owner.ID, now); err != nil {
			return err
		}
		return audit.Insert(ctx, tx, of, audit.Entry{
			Action: "organization.create", Actor: audit.Actor{Type: audit.System, ID: "sign-up", Name: p.Name}, Targets: []audit.Target{audit.Of("organization", of), audit.Of("member", owner.ID)},
			After: audit.Fields{"name": p.Organization}, Origin: v.Origin, CreatedAt: now,
		})
	})
	if errors.Is(err, org.ErrExists) {
		return nil
	}
	return err
}

// personName returns the name of a person as we keep it; without one, what stands before
// the @ of the address.
func personName(text, email string) string {
	before, _, _ := strings.Cut(email, "@")
	text = strings.TrimSpace(name.Clean(strings.ToValidUTF8(text, "")))
	runes := []rune(cmp.Or(text, before))
	return string(runes[:min(len(runes), mostName)])
}

// mostName is the most characters of a person's name.
const mostName = 200
