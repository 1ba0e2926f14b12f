package hostname

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Add writes a new pending domain. It does not claim the name: Verify does that
// later, when the row is committed. A subdomain that another organization has is
// refused at once.
func (h *Hosts) Add(ctx context.Context, tx pg.Tx, org id.Org, d Domain) error {
	if IsSubdomain(d.Name, h.Base) {
		held, err := h.holder(ctx, d.Name)
		if err != nil {
			return err
		}
		if !held.org.IsZero() && held.org != org {
			return ErrTaken
		}
	}
	return insert(ctx, tx, org, d)
}

// Verify claims the name for a domain and returns the domain before and after.
// The name must be a subdomain of ours or proven by DNS, and no other domain may
// have it. The name is claimed before the commit. After a crash in between the
// domain has the name, and a repeated Verify only updates the row.
func (h *Hosts) Verify(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain, now time.Time) (before, after Domain, err error) {
	if before, err = get(ctx, tx, org, domain, " FOR UPDATE"); err != nil {
		return before, after, err
	}
	held, err := h.holder(ctx, before.Name)
	switch {
	case err != nil:
		return before, after, err
	case !held.domain.IsZero() && held.domain != domain:
		return before, after, ErrTaken
	case held.domain != domain && !IsSubdomain(before.Name, h.Base):
		if err := before.prove(ctx, h.Resolver); err != nil {
			return before, after, err
		}
	}
	if err := h.claim(ctx, org, before); err != nil {
		return before, after, err
	}
	after = before
	if after.VerifiedAt == nil {
		after.VerifiedAt = &now
	}
	err = pg.Exec(ctx, tx, "hostname.Verify", `UPDATE domain SET verified_at = $3 WHERE org_id = $1 AND id = $2`, org, domain, after.VerifiedAt)
	return before, after, err
}

// Delete deletes a domain and returns it. The name is released before the commit,
// so that no name stays claimed without a row.
func (h *Hosts) Delete(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain) (Domain, error) {
	d, err := get(ctx, tx, org, domain, " FOR UPDATE")
	if err != nil {
		return d, err
	}
	return d, h.remove(ctx, tx, org, d)
}

// DeleteAll deletes every domain of an organization that is being deleted.
func (h *Hosts) DeleteAll(ctx context.Context, tx pg.Tx, org id.Org) error {
	list, err := pg.List[Domain](ctx, tx, "hostname.DeleteAll", `SELECT `+columns+` FROM domain WHERE org_id = $1 ORDER BY id FOR UPDATE`, org)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := h.remove(ctx, tx, org, d); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hosts) remove(ctx context.Context, tx pg.Tx, org id.Org, d Domain) error {
	if err := h.release(ctx, d); err != nil {
		return err
	}
	return pg.Exec(ctx, tx, "hostname.remove", `DELETE FROM domain WHERE org_id = $1 AND id = $2`, org, d.ID)
}
