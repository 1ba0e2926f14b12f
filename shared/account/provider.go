package account

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/sso"
)

// The providers, as connections are called.
const (
	Google  = "google"
	GitHub  = "github"
	Company = "staff" // of those who run Portico; customers cannot use it
)

// Provider is where people have an account with which they sign in here.
type Provider interface {
	Begin(context.Context) (url string, asked provider.Asked, err error)
	Finish(context.Context, provider.Asked, provider.Answer) (provider.Person, error)
}

// ErrNoProvider is returned for a provider that is not offered.
var ErrNoProvider = errors.New("account: the provider is not offered")

// trip is what an attempt keeps of its way to a provider and back.
type trip struct {
	Provider string         `json:"provider"`
	User     id.User        `json:"user,omitzero"` // who links the account; zero: somebody signs in
	Asked    provider.Asked `json:"asked,omitzero"`
	// Named is who has no account here yet, until the person has completed one.
	Named *provider.Person `json:"named,omitempty"`
}

func (t trip) text() string {
	text, _ := json.Marshal(t) // texts and flags
	return string(text)
}

func tripOf(f signin.Flow) (t trip, err error) {
	if f.Asked == "" {
		return t, provider.ErrRefused
	}
	return t, json.Unmarshal([]byte(f.Asked), &t)
}

// Visit begins an attempt at a provider, and returns where to send the browser. user is the
// person who links the account there to theirs; zero: somebody signs in.
func (d *Desk) Visit(ctx context.Context, name string, user id.User, v Visitor) (url string, token secret.Token, err error) {
	at := d.Providers[name]
	if at == nil {
		return "", token, ErrNoProvider
	}
	url, asked, err := at.Begin(ctx)
	if err != nil {
		return "", token, err
	}
	_, token, err = d.Attempts.Begin(ctx, signin.Flow{Host: v.Host, Asked: trip{Provider: name, User: user, Asked: asked}.text()})
	return url, token, err
}

// Return is what a browser comes back with.
type Return struct {
	Provider string
	Flow     signin.Flow
	Answer   provider.Answer
	Present  session.Session // that the browser has; zero: none
	Locale   string
}

// Arrive takes a provider's answer, once: the person goes on signing in, or has linked an
// account. It fails with provider.ErrCancelled, ErrAway or ErrRefused, and as withProvider
// and attach do.
func (d *Desk) Arrive(ctx context.Context, r Return, v Visitor) (Next, error) {
	t, err := tripOf(r.Flow)
	switch {
	case err != nil:
		return Next{}, err
	case t.Provider != r.Provider || t.Named != nil || !t.Asked.Begot(r.Answer):
		return Next{}, provider.ErrRefused // it uses nothing up: another site may have sent the browser
	case d.Providers[t.Provider] == nil:
		return Next{}, ErrNoProvider
	}
	f, err := d.Attempts.Ask(ctx, r.Flow, "")
	if err != nil {
		return Next{}, err
	}
	who, err := d.Providers[t.Provider].Finish(ctx, t.Asked, r.Answer)
	if err != nil {
		return Next{}, err
	}
	if who.Email = mail.CleanAddress(who.Email); who.Email == "" {
		who.Verified, who.Authoritative = false, false
	}
	if t.User.IsZero() {
		return d.withProvider(ctx, f, t.Provider, who, r, v)
	}
	if r.Present.User != t.User {
		return Next{}, provider.ErrRefused // the person has signed out meanwhile, or is another one
	}
	return d.attach(ctx, r.Present, accountAt(t.Provider, who), r.Locale, v)
}

func accountAt(name string, who provider.Person) identity.ProviderAccount {
	return identity.ProviderAccount{Connection: name, Issuer: who.Issuer, Subject: who.Subject, Email: who.Email}
}

// withProvider signs the person in whom a provider names. Somebody who is new here gets
// ErrIncomplete, and gives a name next.
func (d *Desk) withProvider(ctx context.Context, f signin.Flow, name string, who provider.Person, r Return, v Visitor) (Next, error) {
	linked := accountAt(name, who)
	user, err := identity.FindLinked(ctx, d.People, linked)
	if err != nil {
		return Next{}, err
	}
	var version int64
	if user.IsZero() {
		if user, version, err = d.meet(ctx, linked, who, r.Locale, v); errors.Is(err, ErrIncomplete) {
			if _, kept := d.Attempts.Ask(ctx, f, trip{Provider: name, Named: &who}.text()); kept != nil {
				return Next{}, kept
			}
		}
	} else {
		version, err = d.UseLinked(ctx, user, linked)
	}
	if err != nil {
		return Next{}, err
	}
	return d.Proceed(ctx, f, signin.Proof{User: user, Version: version, Method: signin.Provider, Connection: name}, r.Present, v)
}

// UseLinked notes that a person has come with a linked account, and returns the version of
// their credentials. It returns ErrWrong if the account is not linked any more.
func (d *Desk) UseLinked(ctx context.Context, user id.User, linked identity.ProviderAccount) (version int64, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, user)
		if err != nil {
			return err
		}
		version = login.CredentialVersion
		return identity.UsedLinked(ctx, tx, user, linked, d.Clock.Now())
	})
	if errors.Is(err, identity.ErrNotLinked) || errors.Is(err, identity.ErrNoLogin) { // just now
		err = ErrWrong
	}
	return version, err
}

// ConnectionFor returns the active connection by which people with an address sign in. of is
// the organization that has its domain. It returns sso.ErrNotFound if there is none.
func (d *Desk) ConnectionFor(ctx context.Context, of id.Org, email string) (c sso.Found, err error) {
	if of.IsZero() {
		return c, sso.ErrNotFound
	}
	c.Org = of
	err = d.DB.InOrg(ctx, of, func(tx pg.Tx) error {
		c.Connection, err = sso.ForDomain(ctx, tx, of, sso.DomainOf(email))
		return err
	})
	return c, err
}

// openID returns the provider of a connection, which is asked for its addresses and keys each
// time: they may change, and few people sign in by one connection.
func (d *Desk) openID(c sso.Found) (Provider, error) {
	plain, err := c.Secret(d.Box)
	return d.OpenID(c.Issuer, provider.Client{ID: c.ClientID, Secret: plain, Redirect: d.Public + sso.CallbackPath}), err
}

// BeginOpenID notes in an attempt that it goes to the provider of an active connection of the
// type oidc, and returns where to send the browser. It returns ErrNotAdmitted, after a trace
// says why, if the provider does not answer, or is at a private address.
func (d *Desk) BeginOpenID(ctx context.Context, f signin.Flow, c sso.Found) (url string, err error) {
	at, err := d.openID(c)
	if err != nil {
		return "", err
	}
	url, asked, err := at.Begin(ctx)
	if err != nil {
		return "", errors.Join(d.Refuse(ctx, c, sso.Discover, "provider_away", err.Error(), nil), err)
	}
	kept, err := json.Marshal(asked)
	if err == nil {
		_, err = d.Attempts.Ask(ctx, f, ConnectionTrip{Connection: c.ID, Version: c.Version, Asked: kept, Test: c.Test}.Text())
	}
	return url, err
}

// ArriveOpenID takes the answer of a connection's provider, once; see ByConnection. One that
// proves nothing leaves a trace.
func (d *Desk) ArriveOpenID(ctx context.Context, r Return, v Visitor) (Next, error) {
	c, err := d.ConnectionOf(ctx, r.Flow)
	if err != nil {
		return Next{}, err
	}
	t, err := ConnectionTripOf(r.Flow)
	if err != nil {
		return Next{}, err
	}
	var asked provider.Asked
	if c.Type != sso.OIDC || json.Unmarshal(t.Asked, &asked) != nil || !asked.Begot(r.Answer) { // it uses nothing up: another site may have sent the browser
		return Next{}, d.Refuse(ctx, c, sso.Callback, "unasked", "The answer does not belong to what was asked in this browser, or was used before.", nil)
	}
	t.Asked = nil
	f, err := d.Attempts.Ask(ctx, r.Flow, t.Text())
	if err != nil {
		return Next{}, err
	}
	at, err := d.openID(c)
	if err != nil {
		return Next{}, err
	}
	who, err := at.Finish(ctx, asked, r.Answer)
	switch {
	case errors.Is(err, provider.ErrCancelled):
		return Next{}, errors.Join(d.Refuse(ctx, c, sso.Callback, "cancelled", "The person, or the provider, has refused.", nil), err)
	case errors.Is(err, provider.ErrAway):
		return Next{}, errors.Join(d.Refuse(ctx, c, sso.Callback, "provider_away", err.Error(), nil), err)
	case err != nil:
		return Next{}, errors.Join(d.Refuse(ctx, c, sso.Verify, "answer_refused", err.Error(), map[string]string{"iss": r.Answer.Issuer, "error": r.Answer.Error}), err)
	}
	said := map[string]string{"iss": who.Issuer, "sub": who.Subject, "email": who.Email, "name": who.Name, "email_verified": strconv.FormatBool(who.Verified)}
	return d.ByConnection(ctx, f, Named{who, said}, r.Present, v)
}
