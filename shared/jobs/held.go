package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// heldPerStatement bounds how long one statement locks ordering keys, because
// publishes wait for them.
const heldPerStatement = 1000

// failHeld marks as failed the held deliveries that are older than deliveries are
// kept, because one of them would prevent that its event is deleted, and that its whole
// partition is dropped. If
// it fails for one organization, for example because of a lock, it goes on with
// the others.
func (u *Upkeep) failHeld(ctx context.Context, m *Maintained) error {
	retentions, err := event.ListRetentions(ctx, u.DB, u.Keep)
	if err != nil {
		return err
	}
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
		if err := u.failHeldAt(ctx, h, retentions.Of(h.Org), m); err != nil {
			troubled = h.Org
			u.Log.Warn("held deliveries could not be set to failed", "organization", h.Org, "endpoint", h.Endpoint, "error", err)
			if !pg.IsLockTimeout(err) { // the next upkeep finds a moment without the lock
				failed = errors.Join(failed, fmt.Errorf("jobs.failHeld: %s: %w", h.Org, err))
			}
		}
	}
	return failed
}

func (u *Upkeep) failHeldAt(ctx context.Context, h webhook.Holding, keep time.Duration, m *Maintained) error {
	for {
		if err := u.Waker.Due.Lower(ctx, u.Clock.Now()); err != nil {
			return err
		}
		n, err := webhook.FailHeld(ctx, u.DB, h, keep, heldPerStatement)
		if err != nil {
			return err
		}
		if m.DeliveriesExpired += n; n < heldPerStatement {
			return nil
		}
	}
}
