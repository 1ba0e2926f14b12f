package webhook

import "time"

// What tests in webhook_test need of the inside.
var (
	ClaimDue  = claimDue
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
