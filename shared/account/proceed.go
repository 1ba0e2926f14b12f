package account

import (
	"cmp"
	"context"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
)

// Next is what follows a proof: the session, or what is demanded before it.
type Next struct {
	Session session.Session
	Cookie  session.Cookie
	Demand  signin.State // signin.Second or signin.Enrol; "": the person has entered
	To      string       // where the person wanted to go; "": nowhere in particular
}

// Proceed is what every method of signing in does with its proof. previous is the session
// that the browser has, which ends; zero: none. It returns ErrWrong if the person may not
// sign in, for whatever reason.
func (d *Desk) Proceed(ctx context.Context, f signin.Flow, p signin.Proof, previous session.Session, v Visitor) (Next, error) {
	into, policy, err := d.into(ctx, f, p, previous)
	if err != nil {
		return Next{}, err
	}
	demand := f.State
	if demand != signin.Second && demand != signin.Enrol {
		if demand, err = d.demand(ctx, p.User, policy); err != nil {
			return Next{}, err
		}
	}
	begun, cookie, err := d.entranceOf(v).Enter(ctx, signin.Entry{
		Flow: f, Proof: p, NeedsSecond: demand != "", Org: into, Life: policy.Life, Device: v.Device(), By: v.Origin, Previous: previous,
	})
	switch {
	case errors.Is(err, signin.ErrFactors) && f.State == demand:
		return Next{Demand: demand}, nil // the same class of factors again
	case errors.Is(err, signin.ErrFactors):
		if f, err = d.Attempts.Prove(ctx, f, p); err == nil {
			_, err = d.Attempts.Demand(ctx, f, demand)
		}
		return Next{Demand: demand}, err
	case errors.Is(err, signin.ErrChanged), errors.Is(err, signin.ErrSuspended), errors.Is(err, signin.ErrUnverified):
		return Next{}, errors.Join(ErrWrong, err)
	case err == nil && !previous.ID.IsZero():
		d.noteEnd(ctx, previous.User, session.Replaced, v.Origin, []session.Session{previous})
	}
	return Next{Session: begun, Cookie: cookie, To: f.To}, err
}

// into returns the organization that a person enters, with its policy. Who has come by a
// connection enters its organization, also if a second factor came after it.
func (d *Desk) into(ctx context.Context, f signin.Flow, p signin.Proof, previous session.Session) (id.Org, Policy, error) {
	connection := cmp.Or(p.Connection, f.Connection)
	if _, bound := boundTo(connection); !bound {
		return d.first(ctx, p.User, previous)
	}
	c, err := d.ConnectionOf(ctx, f)
	if err != nil {
		return id.Org{}, Policy{}, err
	}
	policy, err := d.Policy(ctx, c.Org, p.User, connection)
	return c.Org, policy, err
}

// demand returns what a person must prove after the first factor: the second one, if it is
// set up; to set one up, if the organization demands it; "": nothing.
func (d *Desk) demand(ctx context.Context, user id.User, policy Policy) (signin.State, error) {
	own, err := d.SecondFactors(ctx, user)
	switch {
	case err != nil:
		return "", err
	case own.Any():
		return signin.Second, nil
	case policy.NeedsSecond:
		return signin.Enrol, nil
	}
	return "", nil
}

// SecondFactors returns what a person has set up besides the first factor.
func (d *Desk) SecondFactors(ctx context.Context, user id.User) (own identity.SecondFactors, err error) {
	err = d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		own, err = identity.SecondFactorsOf(ctx, tx, user)
		return err
	})
	return own, err
}
