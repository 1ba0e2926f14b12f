// Package override holds the limits of keys and organizations that differ from those
// of the stage. Postgres keeps the truth; DynamoDB keeps the projection that requests
// read: a key's is in the key's own item, an organization's is written here.
package override

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/pg"
)

// ErrNotFound is returned when no policy has this name, or none that this kind of
// thing can override.
var ErrNotFound = fault.New(fault.NotFound, "limit_not_found", "There is no limit with this name that could be changed here.").
	Means("There is no limit with this name, or it has another scope: the list of your limits has both. Limits of addresses cannot be changed.")

// Override is what replaces the limit of one policy for one subject.
type Override struct {
	Subject uuid.UUID // a key or an organization
	Policy  string
	Staff   *int64 // set by staff; nil: none
	Own     *int64 // set by the organization for its key, and never raises the limit; nil: none
}

// isEmpty reports whether it replaces nothing.
func (o Override) isEmpty() bool { return o.Staff == nil && o.Own == nil }

// Of returns the override of a subject's policy, empty if the list has none.
func Of(list []Override, subject uuid.UUID, policy string) Override {
	for _, o := range list {
		if o.Subject == subject && o.Policy == policy {
			return o
		}
	}
	return Override{Subject: subject, Policy: policy}
}

// Limits returns those of a subject in the form that its item keeps.
func Limits(list []Override, subject uuid.UUID) limit.Overrides {
	limits := limit.Overrides{}
	for _, o := range list {
		if o.Subject != subject {
			continue
		}
		if o.Staff != nil {
			limits[o.Policy] = *o.Staff
		}
		if o.Own != nil {
			limits[limit.Own+o.Policy] = *o.Own
		}
	}
	return limits
}

// List returns the overrides of subjects. Whoever projects them must have locked the
// key's or the organization's row before, with a statement of its own: changes hold
// that lock.
func List(ctx context.Context, tx pg.Tx, org id.Org, subjects ...uuid.UUID) ([]Override, error) {
	return pg.List[Override](ctx, tx, "override.List", `
		SELECT subject_id AS subject, policy, staff_limit AS staff, own_limit AS own FROM limit_override WHERE org_id = $1 AND subject_id = ANY ($2)`, org, subjects)
}

// Save writes an override of a key or, without key, of the organization; an empty one
// is removed. Lock the key's or the organization's row first.
func Save(ctx context.Context, tx pg.Tx, org id.Org, key id.APIKey, o Override) error {
	if o.isEmpty() {
		return pg.Exec(ctx, tx, "override.Save", `DELETE FROM limit_override WHERE org_id = $1 AND subject_id = $2 AND policy = $3`, org, o.Subject, o.Policy)
	}
	return pg.Exec(ctx, tx, "override.Save", `
		INSERT INTO limit_override (org_id, api_key_id, policy, staff_limit, own_limit) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org_id, subject_id, policy) DO UPDATE SET staff_limit = excluded.staff_limit, own_limit = excluded.own_limit, updated_at = portico_now()`,
		org, key, o.Policy, o.Staff, o.Own)
}

// Copy gives a new key the overrides of the one that it replaces.
func Copy(ctx context.Context, tx pg.Tx, org id.Org, from, to id.APIKey) error {
	return pg.Exec(ctx, tx, "override.Copy", `
		INSERT INTO limit_override (org_id, api_key_id, policy, staff_limit, own_limit)
		SELECT org_id, $3, policy, staff_limit, own_limit FROM limit_override WHERE org_id = $1 AND api_key_id = $2`, org, from, to)
}

// Ceiling is the highest limit that the organization may set for its key.
func (o Override) Ceiling(p limit.Policy) int64 {
	if o.Staff != nil {
		return *o.Staff
	}
	return p.Limit
}

// Lower sets the organization's own limit of its key, at most the Ceiling; nil removes
// it.
func (o Override) Lower(p limit.Policy, to *int64) (Override, error) {
	if most := o.Ceiling(p); to != nil && *to > most {
		return o, fault.InvalidField("limit", fmt.Sprintf("must be at most %d: your organization can lower this limit, only staff can raise it", most))
	}
	o.Own = to
	return o, nil
}
