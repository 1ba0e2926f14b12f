package webhook

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
