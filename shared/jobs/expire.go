package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/audit/chain"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
)

// expiry removes what an organization keeps for a shorter time than the stage, batch by
// batch.
type expiry interface {
	Next(ctx context.Context, db *pg.Worker) (removed int64, more bool, err error)
	Name() id.Org
}

// expireEvents deletes the events of organizations that keep them for a shorter time
// than the stage.
func (u *Upkeep) expireEvents(ctx context.Context, m *Maintained) error {
	retentions, err := event.ListRetentions(ctx, u.DB, u.Keep)
	if err != nil {
		return err
	}
	var list []expiry
	for _, e := range retentions.Expiries() {
		list = append(list, e)
	}
	return u.expire(ctx, "events", list, &m.EventsExpired)
}

// expireEntries removes the audit entries of organizations that keep them for a shorter
// time than the stage.
func (u *Upkeep) expireEntries(ctx context.Context, m *Maintained) error {
	expiries, err := chain.ListExpiries(ctx, u.DB, u.KeepAudit)
	if err != nil {
		return err
	}
	var list []expiry
	for _, e := range expiries {
		list = append(list, e)
	}
	return u.expire(ctx, "audit entries", list, &m.AuditEntriesExpired)
}

// expire removes what has expired, and counts it in removed. The organizations take
// turns, batch by batch, so one with very much keeps no other one waiting. If it fails
// for one, it goes on with the others.
func (u *Upkeep) expire(ctx context.Context, what string, left []expiry, removed *int64) error {
	var failed error
	for end := time.Now().Add(u.ExpireFor); len(left) > 0; {
		left = slices.DeleteFunc(left, func(e expiry) bool {
			batch, more, err := e.Next(ctx, u.DB)
			*removed += batch
			if err == nil {
				return !more
			}
			u.Log.Warn(what+" that have expired could not be deleted", "organization", e.Name(), "error", err)
			if !pg.IsLockTimeout(err) { // the next upkeep finds a moment without the lock
				failed = errors.Join(failed, fmt.Errorf("jobs.expire: %s: %w", e.Name(), err))
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
			named = append(named, e.Name())
		}
		u.Log.Warn("more "+what+" have expired than one upkeep deletes", "organizations", named, "database", u.Waker.Database)
	}
	return failed
}
