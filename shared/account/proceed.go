package account

import (
	"context"
	"errors"

	"portico/shared/session"
	"portico/shared/signin"
)

// Next is what follows a proof: the session, or what is demanded before it.
type Next struct {
	Session session.Session
	Cookie  session.Cookie
	Demand  signin.State // signin.Second or signin.Enrol; "": the person has entered
}

// Proceed is what every method of signing in does with its proof. previous is the session
// that the browser has, which ends; zero: none. It returns ErrWrong if the person may not
// sign in, for whatever reason.
func (d *Desk) Proceed(ctx context.Context, f signin.Flow, p signin.Proof, previous session.Session, v Visitor) (Next, error) {
	first, policy, err := d.first(ctx, p.User)
	if err != nil {
		return Next{}, err
	}
	begun, cookie, err := d.entranceOf(v).Enter(ctx, signin.Entry{
		Flow: f, Proof: p, Org: first, Life: policy.Life, Device: v.device(), By: v.Origin, Previous: previous,
	})
	for _, why := range []error{signin.ErrChanged, signin.ErrSuspended, signin.ErrUnverified} {
		if errors.Is(err, why) {
			return Next{}, ErrWrong
		}
	}
	return Next{Session: begun, Cookie: cookie}, err
}
