package signin

import (
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/session"
)

// Method of a session that began with a password.
const byPassword = "password"

// WithPassword signs a person in. An unknown address, one without a password and a wrong
// password take the same statements and one hash.
func (d *Desk) WithPassword(ctx context.Context, email, text string, v Visitor) (session.Session, session.Cookie, error) {
	fail := func(err error) (session.Session, session.Cookie, error) {
		return session.Session{}, session.Cookie{}, err
	}
	login, err := d.login(ctx, email)
	if err != nil {
		return fail(err)
	}
	right, old, err := d.Passwords.Verify(ctx, text, hashOf(login))
	switch {
	case err != nil:
		return fail(err)
	case !right || login.EmailVerifiedAt.IsZero() || !login.SuspendedAt.IsZero():
		return fail(ErrWrong)
	}
	var again password.Hash
	if old {
		if again, err = d.Passwords.Hash(ctx, text); err != nil {
			return fail(err)
		}
	}
	first, err := d.organization(ctx, login.User)
	if err != nil {
		return fail(err)
	}
	var begun session.Session
	var cookie session.Cookie
	err = d.under(ctx, login, func(tx pg.Tx) error {
		if old {
			if err := identity.Rehash(ctx, tx, login.User, login.PHC, kept(again)); err != nil {
				return err
			}
		}
		begun, cookie, err = d.enter(ctx, tx, login.User, first, byPassword, v)
		return err
	})
	return begun, cookie, err
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

// organization returns the organization that a person enters first; zero: there is none.
func (d *Desk) organization(ctx context.Context, user id.User) (id.Org, error) {
	all, err := identity.Memberships(ctx, d.DB, user)
	if len(all) == 0 {
		return id.Org{}, err
	}
	return all[0].Org, nil // also if another database does not answer
}

// ChangePassword gives a person a new password. Every other session ends, and this one
// gets a new secret. It returns ErrWrong if the present password is wrong, and a
// password.Refusal if the new one cannot be chosen.
func (d *Desk) ChangePassword(ctx context.Context, s session.Session, present, fresh, locale string, v Visitor) (session.Session, session.Cookie, error) {
	fail := func(err error) (session.Session, session.Cookie, error) {
		return session.Session{}, session.Cookie{}, err
	}
	login, err := d.loginOf(ctx, s.User)
	if err != nil {
		return fail(err)
	}
	right, _, err := d.Passwords.Verify(ctx, present, hashOf(login))
	switch {
	case err != nil:
		return fail(err)
	case !right:
		return fail(ErrWrong)
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
		if err := d.Sessions.RevokeAll(ctx, login.User, s.ID, session.Revoked); err != nil {
			return err
		}
		if renewed, cookie, err = d.Sessions.Renew(ctx, s, []string{byPassword}, 0); err != nil {
			return err
		}
		return d.tellOfPassword(ctx, login.Email, locale, v)
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

// SignOutEverywhere ends all sessions of a person.
func (d *Desk) SignOutEverywhere(ctx context.Context, user id.User) error {
	return d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if _, err := identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		return d.Sessions.RevokeAll(ctx, user, id.Session{}, session.Revoked)
	})
}

// Address returns the address of a person who has signed in.
func (d *Desk) Address(ctx context.Context, user id.User) (string, error) {
	login, err := d.loginOf(ctx, user)
	return login.Email, err
}
