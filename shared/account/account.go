// Package account is what the pages decide on which people sign up, sign in and look after
// their account. The steps of an attempt to sign in are in shared/signin.
package account

import (
	"context"
	"errors"
	"strings"

	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/identity"
	"portico/shared/mail/transport"
	"portico/shared/org"
	"portico/shared/passkey"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// Desk signs people up and in.
type Desk struct {
	DB        *pg.DB
	People    *pg.Identity
	Sessions  *session.Store
	Attempts  *signin.Store
	Passwords *password.Hasher
	Rules     password.Rules
	Passkeys  *passkey.Site
	Box       *secret.Box
	Clock     *clock.Clock
	// Public is where the pages are, such as https://portico.example.com. Links in mails
	// begin with it, whatever host a request names.
	Public string
	// Providers are those that are offered, by name.
	Providers map[string]Provider
	// Open lets everybody sign up; otherwise only those whom an organization has added.
	Open bool
}

// Visitor is from where somebody signs in.
type Visitor struct {
	Host   string
	Origin audit.Origin
	Locale string // of mails
	Known  string // the cookie of the device, see Desk.Remember; "": none
	// Human returns nil if the visitor has solved a CAPTCHA; nil: none can be demanded.
	Human func() error
}

func (v Visitor) device() string { return deviceOf(v.Origin.UserAgent) }

func (v Visitor) ip() string { return signin.TextOf(v.Origin) }

// ErrWrong is returned when address and password do not belong together, for whatever
// reason: nobody should learn which addresses are known.
var ErrWrong = errors.New("account: wrong address or password")

// CleanAddress returns an address as it is kept, or "" if mail cannot be sent to it. Its
// domain is as mail is sent to it: otherwise one mailbox would have many addresses.
func CleanAddress(text string) string {
	text = strings.TrimSpace(text)
	if !org.IsEmail(text) {
		return ""
	}
	address, err := transport.EncodeAddress(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(address)
}

// login finds a person's login.
func (d *Desk) login(ctx context.Context, email string) (identity.Login, error) {
	return identity.Find(ctx, d.People, email)
}

func hashOf(l identity.Login) password.Hash {
	return password.Hash{PHC: l.PHC, Pepper: l.PepperVersion}
}

func kept(h password.Hash) identity.Password {
	return identity.Password{PHC: h.PHC, PepperVersion: h.Pepper}
}
