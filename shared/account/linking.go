package account

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/session"
	"portico/shared/signin"
)

var (
	// ErrUnproven is returned for somebody new of whom the provider does not say that the
	// address is theirs.
	ErrUnproven = errors.New("account: the provider does not say that the address is proven")
	// ErrKnown is returned if an account has the address, and the provider is not who decides
	// whose it is: the person signs in otherwise and then links the account.
	ErrKnown = errors.New("account: an account has the address")
	// ErrMailed is returned for somebody new, if the provider is not who decides whose the
	// address is: the person proves it with the mail.
	ErrMailed = errors.New("account: the address is to be proven by mail")
	// ErrIncomplete is returned for somebody new, who has to give a name.
	ErrIncomplete = errors.New("account: the account has to be completed")
)

// meet decides whose account it is that nobody has linked. By its address alone it becomes
// that of a person only if the provider runs the mailbox: it may have been somebody else's
// when another provider saw it proven.
func (d *Desk) meet(ctx context.Context, linked identity.ProviderAccount, who provider.Person, locale string, v Visitor) (id.User, int64, error) {
	if !who.Verified {
		return id.User{}, 0, ErrUnproven
	}
	login, err := d.login(ctx, who.Email)
	switch {
	case err != nil:
		return id.User{}, 0, err
	case login.EmailVerifiedAt.IsZero():
		_, err := d.welcome(ctx, who)
		if errors.Is(err, ErrMailed) {
			err = errors.Join(err, d.sendSignUp(ctx, who.Email, locale, v))
		}
		if err == nil {
			err = ErrIncomplete
		}
		return id.User{}, 0, err
	case !who.Authoritative:
		return id.User{}, 0, ErrKnown
	}
	version, err := d.LinkTo(ctx, login, linked, ProviderNames[linked.Connection], locale, v)
	return login.User, version, err
}

// welcome reports whether somebody new may have an account, and whether an organization has
// invited them, so that none is made.
func (d *Desk) welcome(ctx context.Context, who provider.Person) (invited bool, err error) {
	invited, err = d.admitted(ctx, who.Email)
	if err == nil && !who.Authoritative {
		err = ErrMailed
	}
	return invited, err
}

// Newcomer is somebody who completes an account that a provider vouches for.
type Newcomer struct {
	Email, Name string
	Invited     bool // by an organization, so none is made
}

// ReadNewcomer returns who completes an account with an attempt, or ErrLink. It changes
// nothing.
func (d *Desk) ReadNewcomer(ctx context.Context, f signin.Flow) (Newcomer, error) {
	t, err := newcomer(f)
	if err != nil {
		return Newcomer{}, err
	}
	invited, err := d.welcome(ctx, *t.Named)
	return Newcomer{t.Named.Email, t.Named.Name, invited}, err
}

// newcomer reads who completes an account: only who has proven the address by the provider.
func newcomer(f signin.Flow) (trip, error) {
	t, err := tripOf(f)
	if err != nil || t.Named == nil || !t.Named.Authoritative {
		return t, ErrLink
	}
	return t, nil
}

// Complete makes the account of a newcomer, and an organization of its own, and goes on
// signing in. If the address was given by somebody who never proved it, whatever they have
// set goes.
func (d *Desk) Complete(ctx context.Context, f signin.Flow, p Person, previous session.Session, v Visitor) (Next, error) {
	n, err := d.ReadNewcomer(ctx, f)
	if err != nil {
		return Next{}, err
	}
	t, err := newcomer(f)
	if err != nil {
		return Next{}, err
	}
	if n.Invited {
		p.Organization = ""
	} else if p.Organization == "" {
		return Next{}, ErrNoOrganization
	}
	user, version, err := d.make(ctx, n.Email, p, v, func(tx pg.Tx, user id.User) error {
		return identity.Link(ctx, tx, user, accountAt(t.Provider, *t.Named), v.Origin, d.Clock.Now())
	})
	if errors.Is(err, identity.ErrLinked) { // by somebody else, just now
		err = ErrLink
	}
	if err != nil {
		return Next{}, err
	}
	// A process that dies here leaves an account; the person signs in with the provider.
	return d.Proceed(ctx, f, signin.Proof{User: user, Version: version, Method: signin.Provider, Connection: t.Provider}, previous, v)
}

// attach links an account to that of a person who has signed in; see relink. It fails with
// identity.ErrLinked and ErrTooManyLinks.
func (d *Desk) attach(ctx context.Context, s session.Session, linked identity.ProviderAccount, locale string, v Visitor) (Next, error) {
	return d.relink(ctx, s, true, v, func(tx pg.Tx, login identity.Login) error {
		if err := identity.Link(ctx, tx, s.User, linked, v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		return d.tellOfLink(ctx, login.Email, linked, ProviderNames[linked.Connection], locale, v)
	})
}

// relink changes the linked accounts of a person who has signed in, under the lock of the
// login. It needs what a change of second factors needs: so who has stolen a password links
// nothing, and a session that has ended meanwhile changes nothing. All other sessions end.
func (d *Desk) relink(ctx context.Context, s session.Session, links bool, v Visitor, do func(pg.Tx, identity.Login) error) (next Next, err error) {
	err = d.People.AsUser(ctx, s.User, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, s.User)
		switch {
		case err != nil:
			return err
		case !login.SuspendedAt.IsZero():
			return ErrWrong
		}
		if err := d.may(ctx, tx, Standing{Session: s}, links); err != nil {
			return err
		}
		if err := do(tx, login); err != nil {
			return err
		}
		next, err = d.keepOnly(ctx, s, nil, v)
		return err
	})
	next.To = LinkedPath
	return next, err
}

// LinkTo links an account at a provider that is called so to a login, and tells the person. It
// returns the new version of the credentials, or ErrWrong if they have changed meanwhile.
func (d *Desk) LinkTo(ctx context.Context, login identity.Login, linked identity.ProviderAccount, called, locale string, v Visitor) (version int64, err error) {
	err = d.under(ctx, login, func(tx pg.Tx) error {
		if err := identity.Link(ctx, tx, login.User, linked, v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		after, err := identity.Lock(ctx, tx, login.User)
		if err != nil {
			return err
		}
		version = after.CredentialVersion
		return d.tellOfLink(ctx, login.Email, linked, called, locale, v)
	})
	return version, err
}

// tellOfLink tells a person of a linked account; see tellOfPassword.
func (d *Desk) tellOfLink(ctx context.Context, email string, linked identity.ProviderAccount, called, locale string, v Visitor) error {
	return d.sendFor(ctx, linked.Connection+" "+linked.Subject+" ", email, locale, template.AccountLinked.With(template.AccountLinkedData{
		Provider: called, Account: linked.Email, At: d.Clock.Now(), Device: v.Device(), IP: v.ip(), URL: d.Public + LinkedPath,
	}))
}

// ProviderNames are what people call the providers.
var ProviderNames = map[string]string{Google: "Google", GitHub: "GitHub", Company: "Portico staff"}

// LinkedPath is the page with the linked accounts.
const LinkedPath = "/account/linked"

// Linked returns the accounts with which a person signs in.
func (d *Desk) Linked(ctx context.Context, user id.User) (list []identity.ProviderAccount, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		list, err = identity.Linked(ctx, tx, user)
		return err
	})
	return list, err
}

// Unlink removes an account from a person's, and tells them; see relink. It fails with
// identity.ErrNotLinked, and with identity.ErrLastWay if the person had no other way to
// sign in.
func (d *Desk) Unlink(ctx context.Context, s session.Session, linked uuid.UUID, locale string, v Visitor) (Next, error) {
	return d.relink(ctx, s, false, v, func(tx pg.Tx, login identity.Login) error {
		if err := identity.Unlink(ctx, tx, s.User, linked, v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		return d.tellOfFactor(ctx, login, template.FactorChangedData{Change: template.AccountUnlinked}, locale, v)
	})
}
