package account

import (
	"context"
	"errors"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/job"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/sso/watch"
)

// The actions of sessions, in the log of their organization.
const (
	startSession  = "session.start"
	refuseSession = "session.refuse"
	endSession    = "session.end"
)

// Why a session entered an organization, as its log says it.
const (
	signedIn   = "signed_in"
	switched   = "switched"
	handedOver = "handed_over"
)

// note writes into an organization's log what happened to sessions of one of its members.
// A person who is no member any more has no entry: the log says who removed them.
func (d *Desk) note(ctx context.Context, action string, of id.Org, user id.User, reason string, by audit.Origin, list ...session.Session) error {
	if of.IsZero() {
		return nil
	}
	return d.DB.InOrg(ctx, of, func(tx pg.Tx) error {
		policy, err := policyIn(ctx, tx, of, user)
		if errors.Is(err, member.ErrRemoved) {
			return nil
		}
		if err == nil && action == startSession && !policy.Entered {
			err = enter(ctx, tx, of, policy, d.Clock.Now())
		}
		for _, s := range list {
			if err == nil {
				err = audit.Insert(ctx, tx, of, entryOf(action, policy, s, reason, by, d.Clock.Now()))
			}
			if err == nil && action == startSession && policy.alarms(s) {
				err = d.alarm(ctx, tx, of, policy)
			}
		}
		return err
	})
}

// alarms reports whether a session enters without the connection that is enforced.
func (p Policy) alarms(s session.Session) bool { return p.Enforced && p.BreakGlass && !Bound(s) }

// alarm lets the owners be told of such an entrance.
func (d *Desk) alarm(ctx context.Context, tx pg.Tx, of id.Org, p Policy) error {
	entered, err := id.Parse[id.Member](p.Member.ID)
	if err == nil {
		_, err = job.Add(ctx, tx, of, watch.TellOfBreakGlass(nil), watch.Entrance{Member: entered, At: d.Clock.Now()}, job.Options{})
	}
	return err
}

// enter notes that a person has entered an organization by choice.
func enter(ctx context.Context, tx pg.Tx, of id.Org, p Policy, now time.Time) error {
	entered, err := id.Parse[id.Member](p.Member.ID)
	if err == nil {
		err = member.Enter(ctx, tx, of, entered, now)
	}
	return err
}

func entryOf(action string, policy Policy, s session.Session, reason string, by audit.Origin, now time.Time) audit.Entry {
	member := audit.Target{Type: policy.Member.Type, ID: policy.Member.ID}
	actor, on := by.Actor(policy.Member)
	e := audit.Entry{
		Action: action, Actor: actor, For: on, Targets: []audit.Target{audit.Of("session", s.ID), member},
		After: audit.Fields{"factors": s.Factors, "host": s.Host, "reason": reason}, Origin: by, CreatedAt: now,
	}
	if s.Connection != "" {
		e.After["connection"] = s.Connection
	}
	if action == refuseSession {
		e.Outcome, e.Targets = audit.Failure, []audit.Target{member}
	}
	return e
}

// began writes that a session has begun; see signin.Entrance.
func (d *Desk) began(ctx context.Context, _ identity.Login, s session.Session, by audit.Origin) error {
	reason := signedIn
	if !s.Parent.IsZero() {
		reason = handedOver
	}
	return d.note(ctx, startSession, s.Org, s.User, reason, by, s)
}

// noteEnd writes into the organizations' logs that sessions end. A log that cannot be
// reached keeps nobody from leaving: then it lacks the entry.
func (d *Desk) noteEnd(ctx context.Context, user id.User, why session.Why, by audit.Origin, list []session.Session) {
	of := map[id.Org][]session.Session{}
	for _, s := range list {
		of[s.Org] = append(of[s.Org], s)
	}
	for org, ended := range of {
		_ = d.note(ctx, endSession, org, user, string(why), by, ended...)
	}
}

// Leave ends one session of a person, and those at other hosts to which it has handed
// over; the person's history and the organizations' logs say so. While Postgres does not
// answer it ends without that. It returns nil if it has ended before.
func (d *Desk) Leave(ctx context.Context, user id.User, wanted id.Session, why session.Why, v Visitor) error {
	list, err := d.family(ctx, user, wanted)
	if err != nil || len(list) == 0 {
		return err
	}
	if err = d.revoke(ctx, user, wanted, why, v, list); err != nil {
		err = d.Sessions.Revoke(ctx, user, wanted, why)
	}
	if errors.Is(err, session.ErrNone) {
		return nil
	}
	return err
}

// Revoke ends one session of a person at their wish, as Leave does. It returns
// session.ErrNone if there is none, and an error if the person's history could not be
// written; then the session may have ended, and a repetition writes it.
func (d *Desk) Revoke(ctx context.Context, user id.User, wanted id.Session, v Visitor) error {
	list, err := d.family(ctx, user, wanted)
	if err != nil {
		return err
	}
	return d.revoke(ctx, user, wanted, session.Revoked, v, list)
}

// family returns a live session and those that it has handed over to.
func (d *Desk) family(ctx context.Context, user id.User, of id.Session) (list []session.Session, err error) {
	live, err := d.Sessions.List(ctx, user)
	for _, s := range live {
		if s.ID == of || s.Parent == of {
			list = append(list, s)
		}
	}
	return list, err
}

func (d *Desk) revoke(ctx context.Context, user id.User, wanted id.Session, why session.Why, v Visitor, list []session.Session) error {
	err := d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if err := identity.SessionEnded(ctx, tx, user, string(why), v.Origin, d.Clock.Now()); err != nil {
			return err
		}
		return d.Sessions.Revoke(ctx, user, wanted, why)
	})
	if err == nil {
		d.noteEnd(ctx, user, why, v.Origin, list)
	}
	return err
}

// endAll ends all sessions of a person but one; zero: all. The caller holds the lock of
// the person's login, in whose transaction the history is written.
func (d *Desk) endAll(ctx context.Context, user id.User, keep id.Session, why session.Why, by audit.Origin) error {
	live, err := d.Sessions.List(ctx, user)
	if err != nil {
		return err
	}
	var list []session.Session
	for _, s := range live {
		if s.ID != keep {
			list = append(list, s)
		}
	}
	d.noteEnd(ctx, user, why, by, list)
	return d.Sessions.RevokeAll(ctx, user, keep, why)
}

// Suspend keeps a person out until Unsuspend, and ends their sessions and what they have
// allowed apps. Where something of it is missing because the process died or a store did
// not answer, a repetition does it. It returns identity.ErrNoLogin for nobody.
func (d *Desk) Suspend(ctx context.Context, user id.User) (before identity.Login, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if before, err = identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		if err := identity.Suspend(ctx, tx, before, audit.Origin{}, d.Clock.Now()); err != nil {
			return err
		}
		if err := d.endAll(ctx, user, id.Session{}, session.Suspended, audit.Origin{}); err != nil {
			return err
		}
		return d.Apps.RevokeAll(ctx, user, audit.Origin{})
	})
	return before, err
}

// Unsuspend lets a person sign in again, who needs new sessions. It returns
// identity.ErrNoLogin for nobody.
func (d *Desk) Unsuspend(ctx context.Context, user id.User) (before identity.Login, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		if before, err = identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		return identity.Unsuspend(ctx, tx, before, audit.Origin{}, d.Clock.Now())
	})
	return before, err
}

// expelAll does the same and takes away what the person has allowed apps: somebody else may
// have allowed it.
func (d *Desk) expelAll(ctx context.Context, user id.User, keep id.Session, by audit.Origin) error {
	if err := d.endAll(ctx, user, keep, session.Revoked, by); err != nil {
		return err
	}
	return d.Apps.RevokeAll(ctx, user, by)
}

// TakeAway ends the access of an app to what is the person's, in one organization or, if in
// is zero, in all; their history and the organizations' logs say so. See oauth.Desk.
func (d *Desk) TakeAway(ctx context.Context, user id.User, in id.Org, app id.OAuthClient, v Visitor) error {
	name, err := d.Apps.TakeAway(ctx, user, in, app, v.Origin)
	if err != nil {
		return err
	}
	return d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		return identity.AppTakenAway(ctx, tx, user, name, v.Origin, d.Clock.Now())
	})
}
