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
	ctx, now := context.Background(), d.Clock.Now()
	o := org.Organization{ID: id.New[id.Org](now), Name: "Acme", CreatedAt: now}
	if err := d.App.InOrg(ctx, o.ID, func(tx pg.Tx) error { return org.Insert(ctx, tx, o) }); err != nil {
		t.Fatal(err)
	}
	return o.ID
}
