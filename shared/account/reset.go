package account

import (
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// AskReset mails a link to choose a new password. An address without an account gets the
// link to make one: with the same statements, and one mail each.
func (d *Desk) AskReset(ctx context.Context, email, locale string, v Visitor) error {
	login, err := d.login(ctx, email)
	if err != nil {
		return err
	}
	if login.EmailVerifiedAt.IsZero() {
		return d.sendSignUp(ctx, email, locale, v)
	}
	return d.sendReset(ctx, "", login, locale, v)
}

// sendReset mails a person the link to choose a new password, once for each who asks.
func (d *Desk) sendReset(ctx context.Context, asker string, login identity.Login, locale string, v Visitor) error {
	until := d.Clock.Now().Add(resetFor)
	link, err := d.link(ResetPath, Mailed{Email: login.Email, User: login.User, Version: login.CredentialVersion, Until: until})
	if err != nil {
		return err
	}
	return d.sendOf(ctx, login, asker, locale, template.ResetPassword.With(template.LinkData{URL: link, ExpiresAt: until, Device: v.device(), IP: v.ip()}))
}

// Reset gives the person of a link a new password. All sessions end, and what was
// allowed apps; the person signs in with the new password, and with a second factor if there
// is one.
func (d *Desk) Reset(ctx context.Context, token, fresh, locale string, v Visitor) error {
	login, err := d.ReadReset(ctx, token)
	if err != nil {
		return err
	}
	hash, err := d.choose(ctx, fresh, login.Email)
	if err != nil {
		return err
	}
	err = d.under(ctx, login, func(tx pg.Tx) error {
		if err := identity.SetPassword(ctx, tx, login.User, kept(hash), v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		if err := d.expelAll(ctx, login.User, id.Session{}, v.Origin); err != nil {
			return err
		}
		return d.tellOfPassword(ctx, login, locale, v)
	})
	if errors.Is(err, ErrWrong) { // somebody else was faster
		return ErrLink
	}
	return err
}
