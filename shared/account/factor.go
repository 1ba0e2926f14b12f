package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// Standing is where a person stands who changes second factors: signed in, or in an
// attempt that leads to a session only after one is set up.
type Standing struct {
	Session session.Session // that the browser has; zero: none
	Flow    signin.Flow     // the attempt; zero: the person is signed in
}

// InAttempt reports whether the person is not signed in yet.
func (at Standing) InAttempt() bool { return at.Flow.State != "" }

func (at Standing) user() id.User {
	if at.InAttempt() {
		return at.Flow.User
	}
	return at.Session.User
}

func (at Standing) factors() []signin.Method {
	if at.InAttempt() {
		return at.Flow.Factors
	}
	return methodsOf(at.Session)
}

func methodsOf(s session.Session) (list []signin.Method) {
	for _, name := range s.Factors {
		list = append(list, signin.Method(name))
	}
	return list
}

var (
	// ErrStale is returned if the person must sign in again before a change: that was too
	// long ago, or with fewer factors than they have.
	ErrStale = errors.New("account: the person must sign in again")
	// ErrUnconfirmed is returned if the person must show that the mailbox is theirs before
	// they set up their first second factor. So who has stolen a password cannot.
	ErrUnconfirmed = errors.New("account: the mailbox is not confirmed")
	// ErrNoFactor is returned for recovery codes without a factor that they stand in for.
	ErrNoFactor = errors.New("account: the person has no second factor")
)

// MayEnrol returns nil if the person may set up a second factor now, ErrStale or
// ErrUnconfirmed.
func (d *Desk) MayEnrol(ctx context.Context, at Standing) error {
	return d.People.AsUser(ctx, at.user(), func(tx pg.Tx) error { return d.may(ctx, tx, at, true) })
}

// may returns nil if the person may change second factors, or linked accounts.
func (d *Desk) may(ctx context.Context, tx pg.Tx, at Standing, enrols bool) error {
	own, err := identity.SecondFactorsOf(ctx, tx, at.user())
	switch {
	case err != nil:
		return err
	case at.InAttempt() && (at.Flow.State != signin.Enrol || !enrols):
		return signin.ErrStep
	case !at.InAttempt() && (!d.Recent(at.Session) || own.Any() && signin.Strength(at.factors()) < 2):
		return ErrStale
	case enrols && !own.Any() && !slices.Contains(at.factors(), signin.Link):
		return ErrUnconfirmed
	}
	return nil
}

// factorChange is one change of a person's second factors.
type factorChange struct {
	at     Standing
	enrols signin.Method // "": it sets up none
	tells  template.FactorChangedData
	locale string
	by     Visitor
	do     func(pg.Tx) error // raises the credential version by one
}

// apply makes the change under the lock of the login, together with a mail that tells of
// it. All other sessions end, because they may be of somebody else, and this one gets a new
// secret. An attempt leads to a session after it.
func (d *Desk) apply(ctx context.Context, c factorChange) (next Next, err error) {
	user := c.at.user()
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, user)
		switch {
		case err != nil:
			return err
		case !login.SuspendedAt.IsZero(), c.at.InAttempt() && login.CredentialVersion != c.at.Flow.Version:
			return ErrWrong
		}
		if err := d.may(ctx, tx, c.at, c.enrols != ""); err != nil {
			return err
		}
		if err := c.do(tx); err != nil {
			return err
		}
		if err := d.tellOfFactor(ctx, login, c.tells, c.locale, c.by); err != nil {
			return err
		}
		if c.at.InAttempt() {
			return d.endAll(ctx, user, id.Session{}, session.Revoked, c.by.Origin)
		}
		var added []string
		if c.enrols != "" {
			added = []string{string(c.enrols)}
		}
		next, err = d.keepOnly(ctx, c.at.Session, added, c.by)
		return err
	})
	if err != nil || !c.at.InAttempt() {
		return next, err
	}
	return d.Proceed(ctx, c.at.Flow, signin.Proof{User: user, Version: c.at.Flow.Version + 1, Method: c.enrols}, c.at.Session, c.by)
}

// keepOnly ends all sessions of a person but one, because they may be of somebody else, and
// gives that one a new secret. It fails if that one has ended.
func (d *Desk) keepOnly(ctx context.Context, s session.Session, added []string, v Visitor) (next Next, err error) {
	if err := d.endAll(ctx, s.User, s.ID, session.Revoked, v.Origin); err != nil {
		return Next{}, err
	}
	next.Session, next.Cookie, err = d.Sessions.Renew(ctx, s, added, 0)
	return next, err
}

// tellOfFactor tells a person of a change of second factors, or that a recovery code was
// used. Each is told, however many there are in a short time.
func (d *Desk) tellOfFactor(ctx context.Context, login identity.Login, what template.FactorChangedData, locale string, v Visitor) error {
	what.At, what.Device, what.IP, what.URL = d.Clock.Now(), v.Device(), v.ip(), d.Public+askResetPath
	key := fmt.Sprintf("%s/%s/%d/%d", what.Change, login.User, login.CredentialVersion, what.CodesLeft)
	return d.sendOnce(ctx, login.Email, locale, key, template.FactorChanged.With(what))
}

// recent is how long after signing in a person may change how they sign in.
const recent = 10 * time.Minute

// Recent reports whether the person of a session has signed in lately, with all factors
// that were demanded. By a connection they never have: it proves nothing of their own account.
func (d *Desk) Recent(s session.Session) bool {
	return !Bound(s) && d.Clock.Now().Sub(s.SignedInAt) < recent
}

// Again begins an attempt in which the person of a session signs in again, with all factors
// that they have, to do something that needs a recent proof. Then they go to a page.
func (d *Desk) Again(ctx context.Context, s session.Session, to string, v Visitor) (secret.Token, error) {
	login, err := d.loginOf(ctx, s.User)
	if err != nil {
		return secret.Token{}, err
	}
	_, token, err := d.Attempts.Begin(ctx, signin.Flow{Host: v.Host, To: to, Email: login.Email, User: s.User})
	return token, err
}
