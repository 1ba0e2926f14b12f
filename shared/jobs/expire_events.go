package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
)

// expireEvents deletes the events of organizations that keep them for a shorter time
// than the stage. The organizations take turns, batch by batch, so one with very many
// events keeps no other one waiting. If it fails for one, it goes on with the others.
func (u *Upkeep) expireEvents(ctx context.Context, m *Maintained) error {
	retentions, err := event.ListRetentions(ctx, u.DB, u.Keep)
	if err != nil {
		return err
	}
	var failed error
	left := retentions.Expiries()
	for end := time.Now().Add(u.ExpireFor); len(left) > 0; {
		left = slices.DeleteFunc(left, func(e *event.Expiry) bool {
			deleted, more, err := e.Next(ctx, u.DB)
			m.EventsExpired += deleted
			if err == nil {
				return !more
			}
			u.Log.Warn("events that have expired could not be deleted", "organization", e.Org, "error", err)
			if !pg.IsLockTimeout(err) { // the next upkeep finds a moment without the lock
				failed = errors.Join(failed, fmt.Errorf("jobs.expireEvents: %s: %w", e.Org, err))
			}
			return true
		})
		if time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		named := make([]id.Org, 0, namedAtMost)
		for _, e := range left[:min(len(left), namedAtMost)] {
			named = append(named, e.Org)
		}
		u.Log.Warn("more events have expired than one upkeep deletes", "organizations", named, "database", u.Waker.Database)
	}
	return failed
}
