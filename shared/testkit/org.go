package testkit

import (
	"context"
	"testing"

	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
)

// NewOrg returns the id of a new organization in the database.
func (d *Database) NewOrg(t testing.TB) id.Org {
	t.Helper()
	now := d.Clock.Now()
	o := org.Organization{ID: id.New[id.Org](now), Name: "Acme", CreatedAt: now}
	d.InOrg(t, o.ID, func(ctx context.Context, tx pg.Tx) error { return org.Insert(ctx, tx, o) })
	return o.ID
}
