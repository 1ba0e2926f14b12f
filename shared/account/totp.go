package account

import (
	"context"
	"encoding/base64"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/totp"
)

// Issuer is the name under which authenticator apps and passkeys show us.
const Issuer = "Portico"

// AppKey is a key for an authenticator app that nobody has confirmed. It is not stored: the
// page keeps it sealed until the person has shown a code of it.
type AppKey struct {
	Text   string // to type it into an app
	Image  totp.Image
	Sealed string
}

// NewAppKey returns the key that a page has kept, or draws one.
func (d *Desk) NewAppKey(ctx context.Context, at Standing, kept string) (AppKey, error) {
	email, err := d.Address(ctx, at.user())
	if err != nil {
		return AppKey{}, err
	}
	key, sealed, ok := d.openKept(at.user(), kept)
	if !ok {
		key = totp.New()
		sealed = d.Box.Seal(key[:], keyContext(at.user()))
	}
	image, err := totp.Draw(key.URL(Issuer, email))
	return AppKey{Text: key.Text(), Image: image, Sealed: base64.RawURLEncoding.EncodeToString(sealed)}, err
}

func keyContext(user id.User) string { return "totp " + user.String() }

func (d *Desk) openKept(user id.User, kept string) (key totp.Key, sealed []byte, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil {
		return key, nil, false
	}
	return d.openKey(user, sealed)
}

func (d *Desk) openKey(user id.User, sealed []byte) (key totp.Key, same []byte, ok bool) {
	plain, err := d.Box.Open(sealed, keyContext(user))
	return key, sealed, err == nil && copy(key[:], plain) == len(key)
}

// EnrolTOTP makes the key that a page has kept a factor of a person who has typed its code.
// It returns ErrWrong for another code, and identity.ErrTOTPExists.
func (d *Desk) EnrolTOTP(ctx context.Context, at Standing, kept, typed, locale string, v Visitor) (Next, error) {
	user := at.user()
	now := d.Clock.Now()
	key, sealed, ok := d.openKept(user, kept)
	step, matches := key.Match(typed, now)
	if !ok || !matches {
		return Next{}, ErrWrong
	}
	return d.apply(ctx, factorChange{at: at, enrols: signin.TOTP, tells: template.FactorChangedData{Change: template.TOTPAdded}, locale: locale, by: v, do: func(tx pg.Tx) error {
		if err := identity.EnrolTOTP(ctx, tx, user, sealed, now); err != nil {
			return err
		}
		return identity.ConfirmTOTP(ctx, tx, user, identity.TOTP{Sealed: sealed}, step, v.Origin, now)
	}})
}

// RemoveTOTP removes the key of a person who is signed in. It returns identity.ErrNoTOTP.
func (d *Desk) RemoveTOTP(ctx context.Context, s session.Session, locale string, v Visitor) (Next, error) {
	return d.apply(ctx, factorChange{at: Standing{Session: s}, tells: template.FactorChangedData{Change: template.TOTPRemoved}, locale: locale, by: v, do: func(tx pg.Tx) error {
		return identity.RemoveTOTP(ctx, tx, s.User, v.Origin, d.Clock.Now())
	}})
}
