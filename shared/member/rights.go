package member

import (
	"context"
	"errors"
	"time"

	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
)

// rightsFor is how long an environment relies on what a member may do, and rightsAtMost
// of how many members it knows that.
const (
	rightsFor    = 5 * time.Second
	rightsAtMost = 10_000
)

// ErrRemoved is returned for a caller who is no longer a member.
var ErrRemoved = fault.New(fault.Unauthenticated, "member_removed", "You are not a member of this organization any more. Sign in again to choose another one.").
	Means("The member in whose name the call is made was removed from the organization.")

// Rights knows what members may do. It reads a member's rights once in five seconds, so
// a role that is taken away is gone everywhere after that time.
type Rights struct {
	db    *pg.DB
	clock *clock.Clock
	known *cache.Cache[inOrg, role.Judge]
}

// inOrg names a member and the organization that it is asked about, which may be the
// wrong one.
type inOrg struct {
	org    id.Org
	member id.Member
}

// NewRights returns the rights of the members of all organizations.
func NewRights(db *pg.DB, clock *clock.Clock) *Rights {
	return &Rights{db: db, clock: clock, known: cache.New[inOrg, role.Judge](rightsAtMost, rightsFor)}
}

// Of returns the judge of a member of an organization, or ErrRemoved.
func (r *Rights) Of(ctx context.Context, org id.Org, member id.Member) (role.Judge, error) {
	now := r.clock.Now()
	if known, fresh := r.known.Get(inOrg{org, member}, now); fresh {
		return known, nil
	}
	var judge role.Judge
	err := r.db.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		judge, err = Judge(ctx, tx, org, member)
		return err
	})
	if err == nil {
		r.known.Put(inOrg{org, member}, judge, now)
	}
	return judge, err
}

// Judge reads in a transaction what a member may do, or returns ErrRemoved.
func Judge(ctx context.Context, tx pg.Tx, org id.Org, member id.Member) (role.Judge, error) {
	subject, err := Subject(ctx, tx, org, member)
	if errors.Is(err, ErrNotFound) {
		err = ErrRemoved.Because(err)
	}
	return role.NewJudge(subject), err
}
