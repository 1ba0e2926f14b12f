package hostname

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Add writes a new pending domain. It claims nothing: only Verify does, when
// the row is committed. A subdomain that another organization holds is refused
// at once.
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

// Verify gives a domain its name, if it is a subdomain or DNS proves it and no
// other domain holds it, and returns it before and after. The claim comes before
// the commit: after a crash in between the domain holds its name, and Verify,
// done again, only writes that down.
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

// Delete takes a domain away and returns it. The release comes before the
// commit: a name whose row is gone is nobody's.
func (h *Hosts) Delete(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain) (Domain, error) {
	d, err := get(ctx, tx, org, domain, " FOR UPDATE")
	if err != nil {
		return d, err
	}
	return d, h.remove(ctx, tx, org, d)
}

// DeleteAll takes away every domain of an organization that is being deleted.
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
