package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/session"
)

// Entrance turns attempts into sessions, and ends or moves these. What it does with a
// person's sessions it does under the lock of the person's login.
type Entrance struct {
	Attempts *Store
	Sessions *session.Store
	People   *pg.Identity
	Clock    *clock.Clock
	// Began writes what else belongs to the beginning of a session, such as its entry in the
	// organization's log. It is called when all else is written. If it fails, the session
	// ends. nil: nothing.
	Began func(context.Context, identity.Login, session.Session, audit.Origin) error
}

// Entry is an attempt that is to become a session.
type Entry struct {
	Flow        Flow
	Proof       Proof         // the last one, if Prove was not called with it: a write less
	NeedsSecond bool          // the organization demands it, or the person has set one up
	Org         id.Org        // zero: none yet
	Life        time.Duration // of the organization's sessions
	Device      string        // what people know the browser by
	By          audit.Origin
	Previous    session.Session // that the browser had before; zero: none
}

// Enter starts the session of an attempt in which enough was proved. Nobody enters whose
// credentials have changed since the proof: with ErrChanged the attempt is of no more
// use. If it fails, the browser gets nothing and has to begin again.
func (e *Entrance) Enter(ctx context.Context, in Entry) (session.Session, session.Cookie, error) {
	f, err := in.Flow, error(nil)
	if in.Proof != (Proof{}) {
		if f, err = f.prove(in.Proof, e.Attempts.now()); err != nil {
			return session.Session{}, session.Cookie{}, err
		}
	}
	if err := f.enough(in.NeedsSecond); err != nil {
		return session.Session{}, session.Cookie{}, err
	}
	return e.Start(ctx, session.Session{
		User: f.User, Org: in.Org, Host: f.Host, Factors: textsOf(f.Factors), Connection: f.Connection,
		ProvedAt: f.ProvedAt, Device: in.Device, IP: TextOf(in.By),
	}, Beginning{
		Version: f.Version, Life: in.Life, By: in.By, previous: in.Previous,
		first: func() error {
			_, err := e.Attempts.step(ctx, in.Flow.provedBy(f.User), []State{in.Flow.State}, Entered, nil)
			return err
		},
	})
}

// Beginning is what a session needs to begin.
type Beginning struct {
	Version int64         // that the person's credentials must have
	Life    time.Duration // of the organization's sessions
	By      audit.Origin

	previous session.Session
	first    func() error // what makes sure that it begins once; nil: something else does
	last     func() error // what must hold after the session is stored; nil: nothing else
}

// Start starts a session under the lock of the person's login. If anything fails after the
// session is stored, also the commit, it ends: nobody has its secret.
func (e *Entrance) Start(ctx context.Context, s session.Session, b Beginning) (begun session.Session, c session.Cookie, err error) {
	err = e.People.AsUser(ctx, s.User, func(tx pg.Tx) error {
		login, err := admit(ctx, tx, s.User, b.Version)
		if err != nil {
			return err
		}
		if err := identity.SignedIn(ctx, tx, s.User, strings.Join(s.Factors, ","), b.By, e.Clock.Now()); err != nil {
			return err
		}
		if b.first != nil {
			if err := b.first(); err != nil {
				return err
			}
		}
		if !b.previous.ID.IsZero() {
			if err := e.Sessions.Revoke(ctx, b.previous.User, b.previous.ID, session.Replaced); err != nil && !errors.Is(err, session.ErrNone) {
				return err
			}
		}
		if begun, c, err = e.Sessions.Start(ctx, s, b.Life); err != nil {
			return err
		}
		if b.last != nil {
			if err := b.last(); err != nil {
				return err
			}
		}
		if e.Began != nil {
			return e.Began(ctx, login, begun, b.By)
		}
		return nil
	})
	if err == nil {
		return begun, c, nil
	}
	if !begun.ID.IsZero() {
		err = errors.Join(err, e.Sessions.Revoke(context.WithoutCancel(ctx), begun.User, begun.ID, session.Revoked))
	}
	return session.Session{}, session.Cookie{}, fmt.Errorf("signin: start: %w", err)
}

// admit locks a person's login and returns it if the person may have a session with
// credentials of this version.
func admit(ctx context.Context, tx pg.Tx, user id.User, version int64) (identity.Login, error) {
	login, err := identity.Lock(ctx, tx, user)
	switch {
	case err != nil:
	case login.CredentialVersion != version:
		err = ErrChanged
	case !login.SuspendedAt.IsZero():
		err = ErrSuspended
	case login.EmailVerifiedAt.IsZero():
		err = ErrUnverified
	}
	return login, err
}

// Change runs fn, which changes the person's credentials and so locks their login, and
// ends all sessions but one; zero: all. So who knows the old credentials is out. If the
// commit fails, sessions have ended, and nothing else has changed.
func (e *Entrance) Change(ctx context.Context, user id.User, keep id.Session, why session.Why, fn func(pg.Tx) error) error {
	return e.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return e.Sessions.RevokeAll(ctx, user, keep, why)
	})
}

// LeaveAll ends all sessions of a person but one; zero: all. Attempts that have proved
// something do not lead to a session any more, nor do hand-offs. It returns those that were
// live.
func (e *Entrance) LeaveAll(ctx context.Context, user id.User, keep id.Session, why session.Why, by audit.Origin) (left []session.Session, err error) {
	err = e.Change(ctx, user, keep, why, func(tx pg.Tx) error {
		if err := identity.RevokeSessions(ctx, tx, user, string(why), by, e.Clock.Now()); err != nil {
			return err
		}
		left, err = e.Sessions.List(ctx, user)
		left = slices.DeleteFunc(left, func(one session.Session) bool { return one.ID == keep })
		return err
	})
	return left, err
}

func textsOf(methods []Method) (texts []string) {
	for _, m := range methods {
		texts = append(texts, string(m))
	}
	return texts
}

// TextOf returns the address that a request came from, or "".
func TextOf(by audit.Origin) string {
	if !by.SourceIP.IsValid() {
		return ""
	}
	return by.SourceIP.String()
}
