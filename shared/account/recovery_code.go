package account

import (
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
)

const (
	// recoveryCodes is how many codes a person has at first.
	recoveryCodes = 10
	// recoveryCharacters are 120 random bits.
	recoveryCharacters = 24
)

// MakeRecoveryCodes gives a person who is signed in new recovery codes instead of all
// earlier ones. They are shown once. It returns ErrNoFactor without a second factor.
func (d *Desk) MakeRecoveryCodes(ctx context.Context, s session.Session, locale string, v Visitor) (codes []string, next Next, err error) {
	for range recoveryCodes {
		codes = append(codes, signin.NewCode(recoveryCharacters))
	}
	next, err = d.apply(ctx, factorChange{at: Standing{Session: s}, tells: template.FactorChangedData{Change: template.CodesMade}, locale: locale, by: v, do: func(tx pg.Tx) error {
		own, err := identity.SecondFactorsOf(ctx, tx, s.User)
		switch {
		case err != nil:
			return err
		case !own.Any():
			return ErrNoFactor
		}
		return identity.SetRecoveryCodes(ctx, tx, s.User, codes, v.Origin, d.Clock.Now())
	}})
	return codes, next, err
}

// WithSecondCode proves the second factor of an attempt by a code of the person's app, or by a
// recovery code; see Proceed. It uses the code up before anybody enters. It returns ErrWrong
// for any other code.
func (d *Desk) WithSecondCode(ctx context.Context, f signin.Flow, typed, locale string, previous session.Session, v Visitor) (Next, error) {
	if f.State != signin.Second {
		return Next{}, signin.ErrStep
	}
	f, err := d.trySecond(ctx, f, v)
	if err != nil {
		return Next{}, err
	}
	var method signin.Method
	var login identity.Login
	err = d.People.AsUser(ctx, f.User, func(tx pg.Tx) error {
		if login, err = identity.Lock(ctx, tx, f.User); err != nil {
			return err
		}
		if login.CredentialVersion != f.Version {
			return ErrWrong
		}
		right, err := d.useTOTP(ctx, tx, f.User, typed)
		if right || err != nil {
			method = signin.TOTP
			return err
		}
		method = signin.RecoveryCode
		return d.useRecoveryCode(ctx, tx, login, typed, locale, v)
	})
	if err != nil {
		return Next{}, d.refuse(ctx, login.Email, signin.TOTP, err, v)
	}
	return d.Proceed(ctx, f, signin.Proof{User: f.User, Version: f.Version, Method: method}, previous, v)
}

// useTOTP uses up a code of the person's app, and reports whether it was right and unused.
func (d *Desk) useTOTP(ctx context.Context, tx pg.Tx, user id.User, typed string) (bool, error) {
	kept, err := identity.GetTOTP(ctx, tx, user)
	switch {
	case errors.Is(err, identity.ErrNoTOTP):
		return false, nil
	case err != nil:
		return false, err
	}
	key, _, ok := d.openKey(user, kept.Sealed)
	if !ok {
		return false, errSealedKey
	}
	step, ok := key.Match(typed, d.Clock.Now())
	if !ok {
		return false, nil
	}
	return identity.UseTOTP(ctx, tx, user, kept, step)
}

var errSealedKey = errors.New("account: a TOTP key cannot be opened")

// useRecoveryCode uses up a recovery code, or returns ErrWrong.
func (d *Desk) useRecoveryCode(ctx context.Context, tx pg.Tx, login identity.Login, typed, locale string, v Visitor) error {
	used, left, err := identity.UseRecoveryCode(ctx, tx, login.User, signin.ReadCode(typed), v.Origin, d.Clock.Now())
	switch {
	case err != nil:
		return err
	case !used:
		return ErrWrong
	}
	return d.tellOfFactor(ctx, login, template.FactorChangedData{Change: template.CodeUsed, CodesLeft: left}, locale, v)
}
