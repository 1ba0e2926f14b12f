package jobs

import (
	"context"
	"errors"
	"fmt"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// heldPerStatement bounds how long one statement holds ordering keys, for which
// publishes wait.
const heldPerStatement = 1000

// failHeld fails what is held and older than is kept, so that it keeps no
// partition for everybody. An organization that cannot be worked on, for a lock
// say, keeps no other from it.
func (u *Upkeep) failHeld(ctx context.Context, m *Maintained) error {
	list, err := webhook.ListHolding(ctx, u.DB)
	if err != nil {
		return err
	}
	var failed error
	var troubled id.Org
	for _, h := range list {
		if h.Org == troubled {
			continue
		}
		if err := u.failHeldAt(ctx, h, m); err != nil {
			troubled = h.Org
			u.Log.Warn("held deliveries could not be failed", "organization", h.Org, "endpoint", h.Endpoint, "error", err)
			if !pg.IsLockTimeout(err) { // the next upkeep finds a moment without the lock
				failed = errors.Join(failed, fmt.Errorf("jobs.failHeld: %s: %w", h.Org, err))
			}
		}
	}
	return failed
}

func (u *Upkeep) failHeldAt(ctx context.Context, h webhook.Holding, m *Maintained) error {
	for {
		if err := u.Waker.Due.Lower(ctx, u.Clock.Now()); err != nil {
			return err
		}
		n, err := webhook.FailHeld(ctx, u.DB, h, u.Keep, heldPerStatement)
		if err != nil {
			return err
		}
		if m.DeliveriesExpired += n; n < heldPerStatement {
			return nil
		}
	}
}
