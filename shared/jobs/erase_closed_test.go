package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/limit/override"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// newDeleter returns what erases organizations in a database, and the projection of
// their keys. It fails the test if it waits.
func newDeleter(t *testing.T, lives *testkit.Database) (jobs.Deleter, *apikey.Projection) {
	t.Helper()
	client, keyTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	_, domainTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "name")
	_, limitTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	keys := apikey.NewProjection(client, keyTable, lives.App, lives.Clock)
	return jobs.Deleter{
		DB: lives.App, Keys: keys, Hosts: hostname.NewHosts(client, domainTable, "", lives.Clock),
		Overrides: override.NewProjection(client, limitTable, lives.Clock), Clock: lives.Clock,
		Wait: func(context.Context, time.Duration) error {
			t.Error("it waits for requests that ended long ago")
			return nil
		},
	}, keys
}

// closeOrg closes an organization as DELETE /v1/organizations/{id} does.
func closeOrg(t *testing.T, db *testkit.Database, keys *apikey.Projection, own id.Org) {
	t.Helper()
	db.InOrg(t, own, func(ctx context.Context, tx pg.Tx) error {
		_, err := org.Close(ctx, tx, keys, own, db.Clock.Now())
		return err
	})
}

// Organizations that were closed more than a minute ago are erased each day: no row is left in any table of the catalogue. Organizations that were closed a
// moment ago, are open, or cannot be erased today do not prevent this.
func TestErasesClosedOrganizations(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	deleter, keys := newDeleter(t, db)
	s := newShift(t, db, deleter)
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

	s.do("erase-closed-organizations")
	if failed := s.failures(); len(failed) != 1 || !strings.Contains(failed[0], stuck.String()) || !strings.Contains(failed[0], "held") {
		t.Errorf("failures: %q", failed)
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
	s.do("erase-closed-organizations")
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM organization`); n != 2 {
		t.Errorf("%d organizations are left, want the open one and the platform", n)
	}
}

// If an organization lives in another database and left rows behind that say that
// it is closed, it is not erased where it lives.
func TestErasesWhatIsClosedWhereItLives(t *testing.T) {
	t.Parallel()
	left, lives := testkit.DB(t), testkit.DB(t)
	deleter, keys := newDeleter(t, lives)
	s := newShift(t, left, deleter)
	own := left.NewOrg(t)
	lives.InOrg(t, own, func(ctx context.Context, tx pg.Tx) error {
		return org.Insert(ctx, tx, org.Organization{ID: own, Name: "Acme", CreatedAt: lives.Clock.Now()})
	})
	closeOrg(t, left, keys, own)
	left.Advance(t, time.Hour)
	s.do("erase-closed-organizations")
	if n := testkit.Value[int](t, lives, `SELECT count(*) FROM organization WHERE id = $1 AND deleted_at IS NULL`, own); n != 1 {
		t.Error("the organization is closed or gone where it lives")
	}
}
