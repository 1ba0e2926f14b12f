// Package admin lets people of staff in: with a passkey, or by the OpenID Connect provider
// of the company that runs Portico. A password never does.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/staff"
)

// host is what attempts and sessions of staff have in place of a host's name. So neither is
// found where customers sign in, nor theirs here.
const host = "staff"

// Idle is how long a session of staff lives without use, and life how long it lives at most.
const (
	Idle = 30 * time.Minute
	life = 8 * time.Hour
)

// Company is what the provider of staff is called.
const Company = account.Company

// CallbackPath is where the company's provider sends the browser back to.
const CallbackPath = "/admin/callback"

// Desk lets people of staff in. Its Sessions end after Idle.
type Desk struct {
	*account.Desk
	Staff   *staff.People
	Company account.Provider // nil: none, staff come with passkeys only
}

// Begin begins an attempt to use a passkey.
func (d *Desk) Begin(ctx context.Context) (secret.Token, error) {
	_, token, err := d.Attempts.Begin(ctx, signin.Flow{Host: host})
	return token, err
}

// Find returns the attempt of a browser, or signin.ErrOver.
func (d *Desk) Find(ctx context.Context, token secret.Token) (signin.Flow, error) {
	return d.Attempts.Find(ctx, token, host)
}

// Visit begins an attempt at the company's provider, and returns where to send the browser.
func (d *Desk) Visit(ctx context.Context) (url string, token secret.Token, err error) {
	if d.Company == nil {
		return "", token, account.ErrNoProvider
	}
	url, asked, err := d.Company.Begin(ctx)
	if err != nil {
		return "", token, err
	}
	kept, err := json.Marshal(asked)
	if err == nil {
		_, token, err = d.Attempts.Begin(ctx, signin.Flow{Host: host, Asked: string(kept)})
	}
	return url, token, err
}

// Arrive takes the answer of the company's provider, once, and lets the person in whom it
// names. The account there is known by issuer and subject. When it comes for the first time, it
// is linked to who of staff has proven the same address here. It returns account.ErrWrong if
// that is nobody, or somebody with another account there, and fails with
// provider.ErrCancelled, ErrAway or ErrRefused.
func (d *Desk) Arrive(ctx context.Context, f signin.Flow, answer provider.Answer, previous session.Session, v account.Visitor) (session.Cookie, error) {
	var asked provider.Asked
	switch err := json.Unmarshal([]byte(f.Asked), &asked); {
	case d.Company == nil:
		return session.Cookie{}, account.ErrNoProvider
	case err != nil, !asked.Begot(answer):
		return session.Cookie{}, provider.ErrRefused // it uses nothing up: another site may have sent the browser
	}
	f, err := d.Attempts.Ask(ctx, f, "")
	if err != nil {
		return session.Cookie{}, err
	}
	who, err := d.Company.Finish(ctx, asked, answer)
	if err != nil {
		return session.Cookie{}, err
	}
	proof, err := d.named(ctx, who, v)
	if err != nil {
		return session.Cookie{}, err
	}
	return d.enter(ctx, f, proof, previous, v)
}

// named returns the proof of the person whose account the company's provider names.
func (d *Desk) named(ctx context.Context, who provider.Person, v account.Visitor) (signin.Proof, error) {
	linked := identity.ProviderAccount{Connection: Company, Issuer: who.Issuer, Subject: who.Subject, Email: mail.CleanAddress(who.Email)}
	user, err := identity.FindLinked(ctx, d.People, linked)
	var version int64
	switch {
	case err != nil:
	case user.IsZero():
		user, version, err = d.link(ctx, linked, who.Verified, v)
	default:
		version, err = d.UseLinked(ctx, user, linked)
	}
	return signin.Proof{User: user, Version: version, Method: signin.Provider, Connection: Company}, err
}

// link links an account at the company's provider to who of staff has its address, unless they
// have linked another one there: an address may be given to somebody else later.
func (d *Desk) link(ctx context.Context, linked identity.ProviderAccount, verified bool, v account.Visitor) (user id.User, version int64, err error) {
	if linked.Email == "" || !verified {
		return user, 0, account.ErrWrong
	}
	login, err := identity.Find(ctx, d.People, linked.Email)
	switch {
	case err != nil:
		return user, 0, err
	case login.User.IsZero(), login.EmailVerifiedAt.IsZero():
		return user, 0, account.ErrWrong
	}
	if _, err := d.staffed(ctx, login.User); err != nil {
		return user, 0, err
	}
	others, err := d.Linked(ctx, login.User)
	if err != nil {
		return user, 0, err
	}
	if slices.ContainsFunc(others, func(a identity.ProviderAccount) bool { return a.Connection == Company && a.Issuer == linked.Issuer }) {
		return user, 0, account.ErrWrong
	}
	version, err = d.LinkTo(ctx, login, linked, account.ProviderNames[Company], v.Locale, v)
	return login.User, version, err
}

// staffed returns the person of staff who a user is, or account.ErrWrong.
func (d *Desk) staffed(ctx context.Context, user id.User) (staff.Person, error) {
	person, err := d.Staff.Of(ctx, user)
	if errors.Is(err, staff.ErrNotStaff) {
		err = account.ErrWrong
	}
	return person, err
}

// WithPasskey lets a person of staff in who proves a passkey; see account.Desk.WithPasskey.
func (d *Desk) WithPasskey(ctx context.Context, f signin.Flow, sealed, response string, previous session.Session, v account.Visitor) (session.Cookie, error) {
	f, proof, err := d.ByPasskey(ctx, f, sealed, response, v)
	if err != nil {
		return session.Cookie{}, err
	}
	return d.enter(ctx, f, proof, previous, v)
}

// enter starts the session of a person of staff. Others get account.ErrWrong.
func (d *Desk) enter(ctx context.Context, f signin.Flow, p signin.Proof, previous session.Session, v account.Visitor) (session.Cookie, error) {
	person, err := d.staffed(ctx, p.User)
	if err != nil {
		return session.Cookie{}, err
	}
	entrance := &signin.Entrance{Attempts: d.Attempts, Sessions: d.Sessions, People: d.People, Clock: d.Clock, Began: d.began(person)}
	_, cookie, err := entrance.Enter(ctx, signin.Entry{Flow: f, Proof: p, Life: life, Device: v.Device(), By: v.Origin, Previous: previous})
	switch {
	case errors.Is(err, signin.ErrChanged), errors.Is(err, signin.ErrSuspended), errors.Is(err, signin.ErrUnverified):
		err = account.ErrWrong
	}
	return cookie, err
}

// began writes into the platform's log that a person of staff is in.
func (d *Desk) began(person staff.Person) func(context.Context, identity.Login, session.Session, audit.Origin) error {
	return func(ctx context.Context, _ identity.Login, s session.Session, by audit.Origin) error {
		return d.DB.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
			return audit.Insert(ctx, tx, id.Org{}, audit.Entry{
				Action: "staff.enter", Actor: audit.Actor{Type: auth.Staff, ID: person.User.String(), Name: person.Name},
				Targets: []audit.Target{audit.Of("session", s.ID)}, After: audit.Fields{"factors": s.Factors}, Origin: by, CreatedAt: d.Clock.Now(),
			})
		})
	}
}

// Present returns a session of staff and whose it is. It returns session.ErrNone or
// session.Ended, also if the person is not staff any more.
func (d *Desk) Present(ctx context.Context, c session.Cookie) (session.Session, staff.Person, error) {
	found, err := d.Sessions.Get(ctx, c, host)
	if err != nil {
		return found, staff.Person{}, err
	}
	person, err := d.Staff.Of(ctx, found.User)
	if errors.Is(err, staff.ErrNotStaff) {
		err = session.ErrNone
	}
	return found, person, err
}
