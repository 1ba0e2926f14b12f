package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"portico/shared/apikey"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Deleting an organization leaves no row of it in any table or partition of the
// catalogue, no projection of its keys, no limits and no name. Another organization and its
// users keep everything, and so does a user who can sign in. A deletion that was interrupted can continue.
func TestDeleteOrganization(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	keys := apikey.NewProjection(client, table, db.App, db.Clock)
	_, domainTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "name")
	_, limitTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	overrides := override.NewProjection(client, limitTable, db.Clock)
	hosts := hostname.NewHosts(client, domainTable, "portico.example", db.Clock)
	shared := id.New[id.User](db.Clock.Now())
	db.AddUser(t, shared, "both@example.com")
	populate := func(name string) (id.Org, apikey.Hash) {
		made, err := jobs.Bootstrap{DB: db.App, Keys: keys, Clock: db.Clock}.CreateOrganization(ctx, jobs.CreateOrganization{Name: name})
		testkit.Must(t, err)
		org, _ := id.Parse[id.Org](made.OrganizationID)
		testkit.Everything(t, db, org, shared)
		testkit.Must(t, overrides.Put(ctx, org, limit.Overrides{"organization_work": 5}))
		sub := hostname.New(strings.ToLower(name)+".portico.example", db.Clock.Now())
		db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			if err := hosts.Add(ctx, tx, org, sub); err != nil {
				return err
			}
			_, _, err := hosts.Verify(ctx, tx, org, sub.ID, db.Clock.Now())
			return err
		})
		hash, _ := apikey.Parse(made.APIKey)
		return org, hash
	}
	acme, acmeKey := populate("Acme")
	evil, evilKey := populate("Evil")
	signsIn := testkit.Value[id.User](t, db, `SELECT id FROM user_account WHERE email = $1`, acme.UUID.String()+"@example.com")
	testkit.Credentials(t, db, signsIn)
	db.Insert(t, "user_identity", testkit.Row{ // by the organization's connection: it is the one row that goes
		"id": uuid.New(), "user_id": signsIn, "connection": id.SSOConnection(acme).String(), "issuer": "https://idp.example.com", "subject": "1", "email": "a@example.com",
	})
	before, waited := db.Rows(t, evil), 0
	deleter := jobs.Deleter{DB: db.App, Keys: keys, Hosts: hosts, Overrides: overrides, Clock: db.Clock, Wait: func(_ context.Context, d time.Duration) error {
		if waited++; waited == 1 {
			return context.DeadlineExceeded // the function's time is over
		}
		if _, _, err := keys.Caller(ctx, acmeKey, apikey.Use{}); err == nil {
			t.Error("the key still works while its last requests end")
		}
		if d < 10*time.Second {
			t.Errorf("it waits only %s for requests that are still running", d)
		}
		return nil
	}}
	if _, err := deleter.Delete(ctx, acme.String()); err == nil {
		t.Error("the first try did not end")
	}
	done, err := deleter.Delete(ctx, acme.String())
	if err != nil || done.RowsRemoved < 36_000 {
		t.Fatalf("%+v, %v", done, err)
	}
	for table, n := range db.Rows(t, acme) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if n, limits := projections(t, client, table), projections(t, client, limitTable); n != 1 || limits != 1 {
		t.Errorf("%d projections and %d items of limits are left, want the other organization's", n, limits)
	}
	if got := db.Rows(t, evil); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("the other organization has %v, had %v", got, before)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM user_account`); n != 3 {
		t.Errorf("%d users are left, want the other organization's two, and the one who can sign in", n)
	}
	for table, n := range db.UserRows(t, signsIn) {
		if n != 1 {
			t.Errorf("whoever can sign in has %d rows in %s", n, table)
		}
	}
	for host, want := range map[string]id.Org{"acme.portico.example": {}, "evil.portico.example": evil} {
		if got, err := hosts.Org(ctx, host); err != nil || got != want {
			t.Errorf("%s is of %v (%v), want %v", host, got, err, want)
		}
	}
	if _, _, err := keys.Caller(ctx, evilKey, apikey.Use{}); err != nil {
		t.Errorf("the other organization's key: %v", err)
	}
	if done, err := deleter.Delete(ctx, acme.String()); err != nil || done.RowsRemoved != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
	if _, err := deleter.Delete(ctx, "org_1"); err == nil {
		t.Error("a malformed id was accepted")
	}
}

func projections(t *testing.T, client *dynamodb.Client, table string) int {
	t.Helper()
	out, err := client.Scan(context.Background(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Items)
}

// An organization that is not marked as deleted cannot be erased, and no
// transaction can erase another organization than its own.
func TestOnlyClosedOrganizationsAreErased(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	conn := db.Session(t, "portico_app")
	for _, bound := range []string{org.UUID.String(), "01890000-0000-7000-8000-000000000000", ""} {
		testkit.Exec(t, conn, `SELECT set_config('app.org_id', $1, false)`, bound)
		if _, err := conn.Exec(ctx, `SELECT erase_organization(10)`); err == nil {
			t.Errorf("bound to %q: erased", bound)
		}
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM organization WHERE id = $1`, org); n != 1 {
		t.Error("the organization is gone")
	}
}
