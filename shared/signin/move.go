package signin

import (
	"context"
	"slices"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
)

// Switch moves a session to another organization. It returns ErrFactors if that demands
// a second factor which the session does not have, session.Ended if the person has
// to sign in again, because that was too long ago for the organization, and ErrStep for a
// session that another host has got for its organization. before is called when nothing
// but the writing is left.
func (e *Entrance) Switch(ctx context.Context, s session.Session, org id.Org, needsSecond bool, life time.Duration, before func() error) (moved session.Session, c session.Cookie, err error) {
	if !s.Parent.IsZero() {
		return moved, c, ErrStep
	}
	if err := e.Fits(s, needsSecond, life); err != nil {
		return moved, c, err
	}
	err = e.People.AsUser(ctx, s.User, func(tx pg.Tx) error {
		if _, err := identity.Lock(ctx, tx, s.User); err != nil {
			return err
		}
		if err := before(); err != nil {
			return err
		}
		moved, c, err = e.Sessions.Switch(ctx, s, org, life)
		return err
	})
	return moved, c, err
}

// Fits returns nil if an organization that demands this of sessions lets one in: otherwise
// ErrFactors or session.Ended.
func (e *Entrance) Fits(s session.Session, needsSecond bool, life time.Duration) error {
	var factors []Method
	for _, name := range s.Factors {
		factors = append(factors, Method(name))
	}
	if needsSecond && Strength(factors) < 2 {
		return ErrFactors
	}
	if !e.Clock.Now().Before(s.SignedInAt.Add(life)) {
		return session.Ended{Why: session.Absolute}
	}
	return nil
}

// HandOver returns a code with which another host starts a session of one organization
// for the person of this one; see Store.HandOver. It returns session.ErrNone if the
// session has ended.
func (e *Entrance) HandOver(ctx context.Context, s session.Session, org id.Org, host, state string) (code secret.Token, err error) {
	err = e.People.AsUser(ctx, s.User, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, s.User)
		if err != nil {
			return err
		}
		// s may be five seconds old. Under the lock nobody ends all sessions meanwhile.
		if err := e.lives(ctx, s.User, s.ID); err != nil {
			return err
		}
		code, err = e.Attempts.HandOver(ctx, HandOff{
			User: s.User, Org: org, Host: host, Version: login.CredentialVersion, Factors: s.Factors, Connection: s.Connection,
			Session: s.ID, CreatedAt: s.CreatedAt, SignedInAt: s.SignedInAt, ProvedAt: s.ProvedAt,
		}, state)
		return err
	})
	return code, err
}

// lives returns session.ErrNone if a session has ended.
func (e *Entrance) lives(ctx context.Context, user id.User, wanted id.Session) error {
	live, err := e.Sessions.List(ctx, user)
	if err == nil && !slices.ContainsFunc(live, func(one session.Session) bool { return one.ID == wanted }) {
		err = session.ErrNone
	}
	return err
}

// Arrival is a browser that comes with a code from another host.
type Arrival struct {
	Code, State secret.Token
	Host        string
	// Life returns how long sessions of the organization live; an error refuses.
	Life   func(HandOff) (time.Duration, error)
	Device string
	By     audit.Origin
}

// TakeOver starts the session that a code stands for; see Store.TakeOver. It is as old as
// the one that handed over.
func (e *Entrance) TakeOver(ctx context.Context, a Arrival) (session.Session, session.Cookie, error) {
	h, err := e.Attempts.TakeOver(ctx, a.Code, a.State, a.Host)
	if err != nil {
		return session.Session{}, session.Cookie{}, err
	}
	life, err := a.Life(h)
	if err != nil {
		return session.Session{}, session.Cookie{}, err
	}
	return e.Start(ctx, session.Session{
		User: h.User, Org: h.Org, Host: h.Host, Factors: h.Factors, Connection: h.Connection,
		Parent: h.Session, CreatedAt: h.CreatedAt, SignedInAt: h.SignedInAt, ProvedAt: h.ProvedAt, Device: a.Device, IP: TextOf(a.By),
	}, Beginning{Version: h.Version, Life: life, By: a.By, last: func() error {
		// Whoever ends the parent after this reading also finds the child, see Sessions.Revoke.
		return e.lives(ctx, h.User, h.Session)
	}})
}
