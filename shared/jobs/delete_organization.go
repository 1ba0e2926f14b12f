package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/apikey"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
)

// Deleter erases organizations.
type Deleter struct {
	DB    *pg.DB
	Keys  *apikey.Projection
	Clock *clock.Clock
	// Wait lets time pass; nil: Pause.
	Wait func(context.Context, time.Duration) error
}

// Deleted is the reply.
type Deleted struct {
	OrganizationID string `json:"organization_id"`
	RowsRemoved    int    `json:"rows_removed"`
}

// lastRequest is how long after its keys were denied requests of an
// organization may still be running: twice as long as keys are cached.
const lastRequest = 10 * time.Second

// Delete erases all that an organization owns, with its keys' projections. It
// first sees to it that nobody adds anything. Stopped halfway, for example by
// the function's time, it goes on when called again; what is gone is no error.
func (d Deleter) Delete(ctx context.Context, organization string) (Deleted, error) {
	done := Deleted{OrganizationID: organization}
	own, err := id.Parse[id.Org](organization)
	if err != nil {
		return done, fmt.Errorf("delete_organization: %w", err)
	}
	keys, err := d.shut(ctx, own)
	if errors.Is(err, org.ErrNotFound) {
		return done, nil
	}
	if err != nil {
		return done, err
	}
	for _, key := range keys {
		if err := d.Keys.Deny(ctx, key, d.Clock.Now()); err != nil {
			return done, err
		}
	}
	wait := d.Wait
	if wait == nil {
		wait = Pause
	}
	if err := wait(ctx, lastRequest); err != nil {
		return done, err
	}
	for _, key := range keys {
		if err := d.Keys.Remove(ctx, key); err != nil {
			return done, err
		}
	}
	done.RowsRemoved, err = org.Erase(ctx, d.DB, own)
	return done, err
}

// shut marks the organization as deleted and revokes its keys, which it returns.
func (d Deleter) shut(ctx context.Context, own id.Org) (keys []apikey.Hash, err error) {
	now := d.Clock.Now()
	err = d.DB.InOrg(ctx, own, func(tx pg.Tx) error {
		if _, err := org.Close(ctx, tx, own, now); err != nil {
			return err
		}
		keys, err = apikey.RevokeAll(ctx, tx, own, now)
		return err
	})
	return keys, err
}

// Pause waits, or ends with its context.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
