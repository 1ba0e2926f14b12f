package override_test

import (
	"context"
	"testing"

	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// What is saved is listed for its subject only, and an override that replaces nothing
// leaves no row.
func TestSave(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org, other := db.NewOrg(t), db.NewOrg(t)
	key := id.New[id.APIKey](db.Clock.Now())
	db.Insert(t, "api_key", testkit.Row{"org_id": org, "id": key, "name": "k", "hash": make([]byte, 32), "permissions": []string{"events:read"}})
	five, four := int64(5), int64(4)
	db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
		for _, o := range []override.Override{{key.UUID, "work", &four, nil}, {key.UUID, "work", &five, &four}} {
			testkit.Must(t, override.Save(ctx, tx, org, key, o))
		}
		testkit.Must(t, override.Save(ctx, tx, org, id.APIKey{}, override.Override{Subject: org.UUID, Policy: "organization_work", Staff: &four}))
		list, err := override.List(ctx, tx, org, key.UUID, org.UUID)
		testkit.Must(t, err)
		if got := override.Limits(list, key.UUID).String(); got != "own.work=4 work=5" {
			t.Errorf("the key's: %q", got)
		}
		if got := override.Limits(list, org.UUID).String(); got != "organization_work=4" {
			t.Errorf("the organization's: %q", got)
		}
		if o := override.Of(list, key.UUID, "requests"); o.Staff != nil || o.Own != nil {
			t.Errorf("one that is not set: %+v", o)
		}
		return override.Save(ctx, tx, org, key, override.Override{Subject: key.UUID, Policy: "work"})
	})
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM limit_override WHERE api_key_id IS NOT NULL`); n != 0 {
		t.Errorf("%d rows are left of the key", n)
	}
	db.InOrg(t, other, func(ctx context.Context, tx pg.Tx) error {
		list, err := override.List(ctx, tx, org, org.UUID)
		if len(list) > 0 {
			t.Errorf("another organization sees %+v", list)
		}
		return err
	})
}

// An organization may set its key's limit up to the one of the stage, or of staff.
func TestLower(t *testing.T) {
	t.Parallel()
	stage := limit.Policy{Name: "work", Limit: 10}
	staff, own := int64(20), int64(15)
	if _, err := (override.Override{}).Lower(stage, &own); err == nil {
		t.Error("above the stage's limit")
	}
	o, err := override.Override{Staff: &staff}.Lower(stage, &own)
	if err != nil || *o.Own != own {
		t.Errorf("below that of staff: %+v, %v", o, err)
	}
	if o, err = o.Lower(stage, nil); err != nil || o.Own != nil || *o.Staff != staff {
		t.Errorf("removed: %+v, %v", o, err)
	}
}
