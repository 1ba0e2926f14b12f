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
	"portico/shared/oauth"
	"portico/shared/passkey"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// Desk signs people up and in.
type Desk struct {
	DB        *pg.DB
	People    *pg.Identity
	Sessions  *session.Store
	Apps      *oauth.Desk
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
	// OpenID returns the provider of a connection.
	OpenID func(issuer string, client provider.Client) Provider
	// Open lets everybody sign up, who then makes an organization; otherwise only those whom
	// an organization has added or invited.
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

// Device is what people know the browser by; "": unknown.
func (v Visitor) Device() string { return deviceOf(v.Origin.UserAgent) }

func (v Visitor) ip() string { return signin.TextOf(v.Origin) }

// ErrWrong is returned when address and password do not belong together, for whatever
// reason: nobody should learn which addresses are known.
var ErrWrong = errors.New("account: wrong address or password")

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

// browsers and systems are what people know their device by, with what a browser says of
// itself. The first that matches counts, because browsers also name those before them.
var (
	browsers = [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"FxiOS/", "Firefox"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// deviceOf says in words with what somebody came; "" if that is unknown. Nothing of what
// the browser says is repeated, because mails show it.
func deviceOf(userAgent string) string {
	browser, system := first(browsers, userAgent), first(systems, userAgent)
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

func first(known [][2]string, userAgent string) string {
	for _, k := range known {
		if strings.Contains(userAgent, k[0]) {
			return k[1]
		}
	}
	return ""
}
