package webhook

import (
	"context"
	"time"

	"portico/shared/pg"
)

// What tests in webhook_test need of the inside.
var (
	Load      = load
	Complete  = complete
	StayAwake = stayAwake
	GiveUpRow = giveUpRow
	NextDue   = nextDue
)

const LeaseFor = leaseFor

// IsDue reports what a look found.
func IsDue(n next) bool { return n.due }

// LookEvery changes how often a dispatcher looks untold.
func LookEvery(d *Dispatcher, every time.Duration) { d.lookEvery = every }

// ClaimDue claims up to limit of what is due, whoever's it is.
func ClaimDue(ctx context.Context, db *pg.Worker, limit int, lease time.Duration) ([]Claim, error) {
	keys, err := findDue(ctx, db)
	if err != nil {
		return nil, err
	}
	l := newLanes(2 * limit)
	l.add(keys...)
	return claimDue(ctx, db, l.pick(limit), lease)
}
