package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/passkey"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
)

// Ceremony is what a page needs to use a passkey or to make one.
type Ceremony struct {
	Options string // for the browser, in JSON
	Sealed  string // the challenge, which the page sends back with the browser's answer
}

// seal keeps a challenge in a page. It works only where it was made for.
func (d *Desk) seal(options []byte, c passkey.Challenge, where string) Ceremony {
	return Ceremony{string(options), base64.RawURLEncoding.EncodeToString(d.Box.Seal(c.Data, where))}
}

// unseal returns a challenge; one that was made elsewhere is none.
func (d *Desk) unseal(sealed, where string) passkey.Challenge {
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return passkey.Challenge{}
	}
	data, err := d.Box.Open(text, where)
	if err != nil {
		return passkey.Challenge{}
	}
	return passkey.Challenge{Data: data}
}

func asking(f signin.Flow) string { return "passkey " + f.ID() }

// AskPasskey begins to ask for a passkey in an attempt. A challenge is used once, because a
// right answer ends the attempt.
func (d *Desk) AskPasskey(f signin.Flow) (Ceremony, error) {
	options, c, err := d.Passkeys.Ask()
	return d.seal(options, c, asking(f)), err
}

// WithPasskey proves the person of an attempt by a passkey, alone or as the second factor;
// see Proceed. sealed is that of AskPasskey, response what the browser has answered. It
// returns ErrWrong for an answer that proves nothing. A failure counts in the attempt only:
// nobody guesses a signature, and the attempt may be of nobody in particular.
func (d *Desk) WithPasskey(ctx context.Context, f signin.Flow, sealed, response string, previous session.Session, v Visitor) (Next, error) {
	f, proof, err := d.ByPasskey(ctx, f, sealed, response, v)
	if err != nil {
		return Next{}, err
	}
	return d.Proceed(ctx, f, proof, previous, v)
}

// ByPasskey returns whom a passkey proves in an attempt, as WithPasskey says, and does not
// let them in yet.
func (d *Desk) ByPasskey(ctx context.Context, f signin.Flow, sealed, response string, v Visitor) (_ signin.Flow, proved signin.Proof, err error) {
	if f, err = d.Attempts.Try(ctx, f); err != nil {
		return f, proved, err
	}
	var login identity.Login
	proof, err := d.Passkeys.Answered(d.unseal(sealed, asking(f)), []byte(response), func(user id.User) (who passkey.User, err error) {
		if f.State == signin.Second && user != f.User {
			return who, ErrWrong
		}
		login, who, err = d.withPasskeys(ctx, user)
		return who, err
	})
	copied := errors.Is(err, passkey.ErrCopied)
	switch {
	case errors.Is(err, passkey.ErrRefused):
		return f, proved, fmt.Errorf("%w: %w", ErrWrong, err)
	case err != nil && !copied:
		return f, proved, err
	}
	err = d.People.AsUser(ctx, login.User, func(tx pg.Tx) error {
		if !copied {
			newer, err := identity.UsePasskey(ctx, tx, login.User, proof.Passkey, d.Clock.Now())
			if newer || err != nil {
				return err
			}
			copied = true
		}
		return identity.RefusePasskey(ctx, tx, login.User, proof.Passkey, v.Origin, d.Clock.Now())
	})
	switch {
	case err != nil:
		return f, proved, err
	case copied:
		return f, proved, fmt.Errorf("%w: %w", ErrWrong, passkey.ErrCopied)
	}
	return f, signin.Proof{User: login.User, Version: login.CredentialVersion, Method: signin.Passkey}, nil
}

// withPasskeys returns a person with their passkeys, or ErrWrong.
func (d *Desk) withPasskeys(ctx context.Context, user id.User) (login identity.Login, who passkey.User, err error) {
	if user.IsZero() {
		return login, who, ErrWrong
	}
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if login, err = identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		who = passkey.User{ID: user, Email: login.Email}
		who.Passkeys, err = identity.Passkeys(ctx, tx, user)
		return err
	})
	if errors.Is(err, identity.ErrNoLogin) {
		err = ErrWrong
	}
	return login, who, err
}

// enrolling is where the challenge for a new passkey works: once, because the version of
// the credentials grows with it.
func enrolling(at Standing, version int64) string {
	if at.InAttempt() {
		return fmt.Sprintf("new passkey %s %d", at.Flow.ID(), version)
	}
	return fmt.Sprintf("new passkey %s %d", at.Session.ID, version)
}

// NewPasskey begins to make a passkey. It also returns those that the person has, the
// oldest first.
func (d *Desk) NewPasskey(ctx context.Context, at Standing) (Ceremony, []identity.Passkey, error) {
	login, who, err := d.withPasskeys(ctx, at.user())
	if err != nil {
		return Ceremony{}, nil, err
	}
	options, c, err := d.Passkeys.Enrol(who)
	return d.seal(options, c, enrolling(at, login.CredentialVersion)), who.Passkeys, err
}

// EnrolPasskey adds the passkey that a browser has made, under a name. It returns ErrWrong
// for an answer that proves nothing, identity.ErrPasskeyExists and ErrTooManyPasskeys.
func (d *Desk) EnrolPasskey(ctx context.Context, at Standing, sealed, response, name, locale string, v Visitor) (Next, error) {
	login, who, err := d.withPasskeys(ctx, at.user())
	if err != nil {
		return Next{}, err
	}
	made, err := d.Passkeys.Enrolled(who, d.unseal(sealed, enrolling(at, login.CredentialVersion)), []byte(response))
	switch {
	case errors.Is(err, passkey.ErrRefused):
		return Next{}, fmt.Errorf("%w: %w", ErrWrong, err)
	case err != nil:
		return Next{}, err
	}
	now := d.Clock.Now()
	made.ID, made.Name = id.New[id.Passkey](now), name
	return d.apply(ctx, factorChange{
		at: at, enrols: signin.Passkey, tells: template.FactorChangedData{Change: template.PasskeyAdded, Passkey: name}, locale: locale, by: v,
		do: func(tx pg.Tx) error { return identity.AddPasskey(ctx, tx, login.User, made, v.Origin, now) },
	})
}

// RenamePasskey gives a passkey another name, or returns identity.ErrPasskeyNotFound.
func (d *Desk) RenamePasskey(ctx context.Context, s session.Session, of id.Passkey, name string) error {
	return d.People.AsUser(ctx, s.User, func(tx pg.Tx) error { return identity.RenamePasskey(ctx, tx, s.User, of, name) })
}

// RemovePasskey removes a passkey of a person who is signed in, or returns
// identity.ErrPasskeyNotFound.
func (d *Desk) RemovePasskey(ctx context.Context, s session.Session, of id.Passkey, locale string, v Visitor) (Next, error) {
	return d.apply(ctx, factorChange{at: Standing{Session: s}, tells: template.FactorChangedData{Change: template.PasskeyRemoved}, locale: locale, by: v, do: func(tx pg.Tx) error {
		return identity.DeletePasskey(ctx, tx, s.User, of, v.Origin, d.Clock.Now())
	}})
}
