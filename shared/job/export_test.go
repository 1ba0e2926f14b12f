package job

import (
	"context"
	"time"

	"portico/shared/claim"
)

// Unexported names that the tests in job_test use.
const (
	HandOverFor = handOverFor
)

// RenewEvery changes how often a runner renews its leases.
func RenewEvery(r *Runner, every time.Duration) { r.between = every }

// WaitForThrottle changes how long a claim of the queue high waits for a throttle.
func WaitForThrottle(r *Runner, atMost time.Duration) { r.patience = atMost }

// Outcome is what became of a try.
func (r Result) Outcome() string { return string(r.outcome) }

// ClaimLanes leases up to room jobs of each lane, whether anything is due or not.
func ClaimLanes(ctx context.Context, r *Runner, room int, lanes ...Lane) ([]Claim, error) {
	var turns []claim.Turn[Lane]
	for _, l := range lanes {
		turns = append(turns, claim.Turn[Lane]{Lane: l, Room: room})
	}
	return r.Claim(ctx, turns)
}

// Renew renews the leases of claimed jobs.
func Renew(ctx context.Context, r *Runner, claims []Claim) error {
	var list []*try
	for _, c := range claims {
		list = append(list, &try{Claim: c, job: Job{progress: &progress{}}})
	}
	_, err := renewLeases(ctx, r.Worker, list)
	return err
}
