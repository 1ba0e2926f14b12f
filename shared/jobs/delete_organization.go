package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/limit/override"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/sso"
)

// Deleter erases organizations.
type Deleter struct {
	DB    *pg.DB
	Keys  *apikey.Projection
	Hosts *hostname.Hosts
	// Overrides has the limits of organizations.
	Overrides *override.Projection
	Clock     *clock.Clock
	// Wait waits; nil: clock.Sleep.
	Wait func(context.Context, time.Duration) error
}

// DeleteOrganization asks to erase an organization, closed or not.
type DeleteOrganization struct {
	OrganizationID string `json:"organization_id"`
}

// DeletedOrganization is the reply.
type DeletedOrganization struct {
	OrganizationID string `json:"organization_id"`
	RowsRemoved    int    `json:"rows_removed"`
}

// DeleteOrganization erases an organization at once.
func (b Bootstrap) DeleteOrganization(ctx context.Context, in DeleteOrganization) (DeletedOrganization, error) {
	return Deleter{DB: b.DB, Keys: b.Keys, Hosts: b.Hosts, Overrides: b.Overrides, Clock: b.Clock}.Delete(ctx, in.OrganizationID)
}

// lastRequest is how long after its keys were denied requests of an
// organization may still be running: twice as long as keys are cached.
const lastRequest = 10 * time.Second

// settled is how long after the start of its closing an organization can be
// erased without waiting. Denying all its keys takes only seconds.
const settled = time.Minute

// Delete erases everything that an organization owns, and the projections of its
// keys and limits. First it makes sure that nothing can be added any more. If it is
// interrupted, for example by the function's timeout, it continues when called
// again; parts that are already erased are not an error.
func (d Deleter) Delete(ctx context.Context, organization string) (DeletedOrganization, error) {
	done := DeletedOrganization{OrganizationID: organization}
	own, err := id.Parse[id.Org](organization)
	if err != nil {
		return done, fmt.Errorf(`"organization_id": %w`, err)
	}
	err = d.DB.InOrg(ctx, own, func(tx pg.Tx) error {
		return d.close(ctx, tx, own)
	})
	if err == nil {
		done.RowsRemoved, err = d.erase(ctx, own)
	}
	if errors.Is(err, org.ErrNotFound) {
		return done, org.Forget(ctx, d.DB, own)
	}
	return done, err
}

// close marks the organization as deleted. If it is open, the audit log says so.
func (d Deleter) close(ctx context.Context, tx pg.Tx, own id.Org) error {
	now := d.Clock.Now()
	open, err := org.Lock(ctx, tx, own)
	if err != nil && !errors.Is(err, org.ErrNotFound) {
		return err
	}
	if _, err := org.Close(ctx, tx, d.Keys, own, now); err != nil || open.ID.IsZero() {
		return err
	}
	e := entryOf(ctx, "delete_organization", now)
	e.Action, e.Targets, e.Before = "organization.delete", []audit.Target{audit.Of("organization", own)}, audit.Fields{"name": open.Name}
	return audit.Insert(ctx, tx, own, e)
}

// erase erases what a closed organization owns. It returns not found if the
// organization is not closed in the database where it lives. It waits until no
// request of it can be running any more.
func (d Deleter) erase(ctx context.Context, own id.Org) (rows int, err error) {
	var since time.Time
	var keys []apikey.Hash
	err = d.DB.InOrg(ctx, own, func(tx pg.Tx) (err error) {
		if since, err = org.ClosedSince(ctx, tx, own); err != nil {
			return err
		}
		keys, err = apikey.Hashes(ctx, tx, own)
		return err
	})
	if err != nil {
		return 0, err
	}
	if d.Clock.Now().Sub(since) < settled {
		wait := d.Wait
		if wait == nil {
			wait = clock.Sleep
		}
		if err := wait(ctx, lastRequest); err != nil {
			return 0, err
		}
	}
	for _, key := range keys {
		if err := d.Keys.Remove(ctx, key); err != nil {
			return 0, err
		}
	}
	if err := d.Overrides.Remove(ctx, own); err != nil {
		return 0, err
	}
	err = d.DB.InOrg(ctx, own, func(tx pg.Tx) error { return d.Hosts.DeleteAll(ctx, tx, own) })
	if err != nil {
		return 0, err
	}
	if err := sso.ForgetAll(ctx, d.DB, own); err != nil {
		return 0, err
	}
	return org.Erase(ctx, d.DB, own)
}
