// Package admin lets people of staff in: with a passkey, or by the OpenID Connect provider
// of the company that runs Portico. A password never does.
package admin

import (
	"context"
	"encoding/json"
	"errors"
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
const Company = "staff"

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

// Arrive takes the answer of the company's provider, once, and lets the person in who has
// proven the same address here. It returns account.ErrWrong if nobody of staff has, and fails
// with provider.ErrCancelled, ErrAway or ErrRefused.
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
	proof, err := d.named(ctx, who)
	if err != nil {
		return session.Cookie{}, err
	}
	return d.enter(ctx, f, proof, previous, v)
}

// named returns the proof of who has proven the address that the company's provider names.
func (d *Desk) named(ctx context.Context, who provider.Person) (proof signin.Proof, err error) {
	email := mail.CleanAddress(who.Email)
	if email == "" || !who.Verified {
		return proof, account.ErrWrong
	}
	login, err := identity.Find(ctx, d.People, email)
	switch {
	case err != nil:
		return proof, err
	case login.User.IsZero(), login.EmailVerifiedAt.IsZero():
		return proof, account.ErrWrong
	}
	return signin.Proof{User: login.User, Version: login.CredentialVersion, Method: signin.Provider, Connection: Company}, nil
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
	person, err := d.Staff.Of(ctx, p.User)
	if errors.Is(err, staff.ErrNotStaff) {
		return session.Cookie{}, account.ErrWrong
	}
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
