package jobs_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// newEraser returns the daily upkeep of a database, which erases in this or
// another database without waiting, and the projection of its keys.
func newEraser(t *testing.T, db, lives *testkit.Database) (*jobs.Upkeep, *apikey.Projection) {
	t.Helper()
	u, _ := newUpkeep(t, db, io.Discard)
	client, keyTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	_, domainTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "name")
	keys := apikey.NewProjection(client, keyTable, lives.App, db.Clock)
	u.Deleter = jobs.Deleter{
		DB: lives.App, Keys: keys, Hosts: hostname.NewHosts(client, domainTable, "", db.Clock), Clock: db.Clock,
		Wait: func(context.Context, time.Duration) error {
			t.Error("the upkeep waits for requests that ended long ago")
			return nil
		},
	}
	return u, keys
}

// closeOrg closes an organization as DELETE /v1/organizations/{id} does.
func closeOrg(t *testing.T, db *testkit.Database, keys *apikey.Projection, own id.Org) {
	t.Helper()
	db.InOrg(t, own, func(ctx context.Context, tx pg.Tx) error {
		_, err := org.Close(ctx, tx, keys, own, db.Clock.Now())
		return err
	})
}

// The daily upkeep erases organizations that were closed more than a minute ago:
// no row is left in any table of the catalogue. Organizations that were closed a
// moment ago, are open, or cannot be erased today do not prevent this.
func TestMaintainErasesClosedOrganizations(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	u, keys := newEraser(t, db, db)
	shared := id.New[id.User](db.Clock.Now())
	db.AddUser(t, shared, "both@example.com")
	populate := func(name string) id.Org {
		made, err := jobs.Bootstrap{DB: db.App, Keys: keys, Clock: db.Clock}.CreateOrganization(ctx, jobs.CreateOrganization{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		own, _ := id.Parse[id.Org](made.OrganizationID)
		testkit.Everything(t, db, own, shared)
		return own
	}
	stuck, gone, late, open := populate("Stuck"), populate("Gone"), populate("Late"), populate("Open")
	db.Exec(t, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''held''; END'`)
	db.Exec(t, `CREATE TRIGGER hold BEFORE DELETE ON ordering_key FOR EACH ROW WHEN (OLD.org_id = '`+stuck.UUID.String()+`') EXECUTE FUNCTION hold()`)
	closeOrg(t, db, keys, stuck)
	closeOrg(t, db, keys, gone)
	db.Advance(t, time.Minute)
	closeOrg(t, db, keys, late)
	before := fmt.Sprint(db.Rows(t, late), db.Rows(t, open))

	done, err := u.Maintain(ctx)
	if err == nil || !strings.Contains(err.Error(), stuck.String()) || strings.Contains(err.Error(), gone.String()) || done.OrganizationsErased != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	for table, n := range db.Rows(t, gone) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if after := fmt.Sprint(db.Rows(t, late), db.Rows(t, open)); after != before {
		t.Errorf("the others had\n%s\nand have\n%s", before, after)
	}
	db.Exec(t, `DROP TRIGGER hold ON ordering_key`)
	db.Advance(t, 24*time.Hour)
	if done, err := u.Maintain(ctx); err != nil || done.OrganizationsErased != 2 {
		t.Errorf("a day later: %+v, %v", done, err)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM organization`); n != 1 {
		t.Errorf("%d organizations are left, want the open one", n)
	}
}

// If an organization lives in another database and left rows behind that say that
// it is closed, it is not erased where it lives.
func TestMaintainErasesWhatIsClosedWhereItLives(t *testing.T) {
	t.Parallel()
	left, lives := testkit.DB(t), testkit.DB(t)
	u, keys := newEraser(t, left, lives)
	own := left.NewOrg(t)
	lives.InOrg(t, own, func(ctx context.Context, tx pg.Tx) error {
		return org.Insert(ctx, tx, org.Organization{ID: own, Name: "Acme", CreatedAt: lives.Clock.Now()})
	})
	closeOrg(t, left, keys, own)
	left.Advance(t, time.Hour)
	if done, err := u.Maintain(t.Context()); err != nil || done.OrganizationsErased != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if n := testkit.Value[int](t, lives, `SELECT count(*) FROM organization WHERE deleted_at IS NULL`); n != 1 {
		t.Error("the organization is closed or gone where it lives")
	}
}
