package account

import (
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// byPassword is the factor of a session that began with a password.
const byPassword = string(signin.Password)

// Begin begins an attempt to sign in with an address, known or not.
func (d *Desk) Begin(ctx context.Context, email string, v Visitor) (secret.Token, error) {
	_, token, err := d.Attempts.Begin(ctx, signin.Flow{Host: v.Host, Email: email})
	return token, err
}

// WithPassword proves the person of an attempt by a password; see Proceed. An unknown
// address, one without a password and a wrong password take the same statements and one
// hash. signin.ErrOver tells that the attempt has failed too often: then no hash is made.
func (d *Desk) WithPassword(ctx context.Context, f signin.Flow, text string, previous session.Session, v Visitor) (Next, error) {
	if f.Email == "" {
		return Next{}, signin.ErrStep
	}
	login, err := d.login(ctx, f.Email)
	if err != nil {
		return Next{}, err
	}
	if f, err = d.tryAs(ctx, f, login.User, v); err != nil {
		return Next{}, err
	}
	right, old, err := d.Passwords.Verify(ctx, text, hashOf(login))
	switch {
	case err != nil:
		return Next{}, err
	case !right:
		return Next{}, d.refuse(ctx, f.Email, signin.Password, ErrWrong, v)
	}
	if old {
		if err := d.rehash(ctx, login, text); err != nil {
			return Next{}, err
		}
	}
	return d.Proceed(ctx, f, signin.Proof{User: login.User, Version: login.CredentialVersion, Method: signin.Password}, previous, v)
}

// refuse returns err. If that is ErrWrong, the history of the person with an address says it.
func (d *Desk) refuse(ctx context.Context, email string, m signin.Method, err error, v Visitor) error {
	if !errors.Is(err, ErrWrong) {
		return err
	}
	return errors.Join(err, identity.Refuse(ctx, d.People, email, string(m), v.Origin, d.Clock.Now()))
}

// rehash stores a new hash of a password that has just been verified.
func (d *Desk) rehash(ctx context.Context, login identity.Login, text string) error {
	again, err := d.Passwords.Hash(ctx, text)
	if err != nil {
		return err
	}
	return d.People.AsUser(ctx, login.User, func(tx pg.Tx) error { return identity.Rehash(ctx, tx, login.User, login.PHC, kept(again)) })
}

func (d *Desk) entrance() *signin.Entrance {
	return &signin.Entrance{Attempts: d.Attempts, Sessions: d.Sessions, People: d.People, Clock: d.Clock, Began: d.began}
}

// under runs fn under the lock of a login, if its credentials are those that were read
// before. So nothing that was proved with an old password comes to pass after a new one.
func (d *Desk) under(ctx context.Context, login identity.Login, fn func(pg.Tx) error) error {
	return d.People.AsUser(ctx, login.User, func(tx pg.Tx) error {
		now, err := identity.Lock(ctx, tx, login.User)
		switch {
		case errors.Is(err, identity.ErrNoLogin):
			return ErrWrong
		case err != nil:
			return err
		case now.CredentialVersion != login.CredentialVersion || !now.SuspendedAt.IsZero():
			return ErrWrong
		}
		return fn(tx)
	})
}

// ChangePassword gives a person a new password. Every other session ends, and what was
// allowed apps; this session gets a new secret. It returns ErrWrong if the present password is wrong, and a
// password.Refusal if the new one cannot be chosen.
func (d *Desk) ChangePassword(ctx context.Context, s session.Session, present, fresh, locale string, v Visitor) (session.Session, session.Cookie, error) {
	fail := func(err error) (session.Session, session.Cookie, error) {
		return session.Session{}, session.Cookie{}, err
	}
	login, err := d.loginOf(ctx, s.User)
	if err != nil {
		return fail(err)
	}
	account := d.counted(s.User, v)
	if err := d.count(ctx, account, v); err != nil {
		return fail(err)
	}
	right, _, err := d.Passwords.Verify(ctx, present, hashOf(login))
	switch {
	case err != nil:
		return fail(err)
	case !right:
		return fail(ErrWrong)
	}
	if err := d.Attempts.Forgive(ctx, account, true); err != nil {
		return fail(err)
	}
	hash, err := d.choose(ctx, fresh, login.Email)
	if err != nil {
		return fail(err)
	}
	var renewed session.Session
	var cookie session.Cookie
	err = d.under(ctx, login, func(tx pg.Tx) error {
		if err := identity.SetPassword(ctx, tx, login.User, kept(hash), v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		if err := d.expelAll(ctx, login.User, s.ID, v.Origin); err != nil {
			return err
		}
		if renewed, cookie, err = d.Sessions.Renew(ctx, s, []string{byPassword}, 0); err != nil {
			return err
		}
		return d.tellOfPassword(ctx, login, locale, v)
	})
	return renewed, cookie, err
}

// loginOf returns the login of a person who has signed in.
func (d *Desk) loginOf(ctx context.Context, user id.User) (login identity.Login, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		login, err = identity.Lock(ctx, tx, user)
		return err
	})
	if errors.Is(err, identity.ErrNoLogin) {
		err = ErrWrong
	}
	return login, err
}

// choose hashes a password if it may be chosen.
func (d *Desk) choose(ctx context.Context, text string, about ...string) (password.Hash, error) {
	if err := d.Rules.Check(ctx, text, about...); err != nil {
		return password.Hash{}, err
	}
	return d.Passwords.Hash(ctx, text)
}

// SignOutEverywhere ends all sessions of a person, and what they have allowed apps.
func (d *Desk) SignOutEverywhere(ctx context.Context, user id.User, v Visitor) error {
	left, err := d.entrance().LeaveAll(ctx, user, id.Session{}, session.Revoked, v.Origin)
	if err != nil {
		return err
	}
	d.noteEnd(ctx, user, session.Revoked, v.Origin, left)
	return d.Apps.RevokeAll(ctx, user, v.Origin)
}

// Address returns the address of a person who has signed in.
func (d *Desk) Address(ctx context.Context, user id.User) (string, error) {
	login, err := d.loginOf(ctx, user)
	return login.Email, err
}

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
	return d.sendOf(ctx, login, asker, locale, template.ResetPassword.With(template.LinkData{URL: link, ExpiresAt: until, Device: v.Device(), IP: v.ip()}))
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
