package apikey_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// insert writes the fixture's key to Postgres, and not to DynamoDB.
func (f *fixture) insert() {
	f.Helper()
	f.db.InOrg(f.T, f.org, func(ctx context.Context, tx pg.Tx) error { return apikey.Insert(ctx, tx, f.org, f.key, f.hash) })
}

// save writes the fixture's current key to its row.
func (f *fixture) save() {
	f.Helper()
	f.db.InOrg(f.T, f.org, func(ctx context.Context, tx pg.Tx) error { return apikey.Save(ctx, tx, f.org, f.key) })
}

// lose deletes the key's item.
func (f *fixture) lose() {
	f.Helper()
	if _, err := f.client.DeleteItem(context.Background(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: f.itemKey()}); err != nil {
		f.Fatal(err)
	}
}

// elsewhere is another execution environment with the same stores.
func (f *fixture) elsewhere() *fixture {
	other := *f
	other.projection = apikey.NewProjection(f.client, f.table, f.db.App, f.clock)
	other.projection.Limit(limit.Settings{Budget: time.Minute}) // counts nothing
	return &other
}

// A projection that was never written, or was lost, is written again at the key's
// next use. Attributes of the item that do not belong to it stay.
func TestLostProjectionRepairsItself(t *testing.T) {
	eachStore(t, func(f *fixture) {
		end := f.clock.Now().Truncate(time.Second).Add(time.Hour)
		f.key.ExpiresAt, f.key.AllowedIPs = &end, []string{"203.0.113.0/24"}
		f.insert()
		f.set("limit_tat", "12345")
		f.works("though never projected")
		f.elsewhere().works("in an environment that finds it projected")
		if v, ok := f.item()["limit_tat"].(*types.AttributeValueMemberS); !ok || v.Value != "12345" {
			f.Errorf("the limiter's attribute is now %v", v)
		}
		f.lose()
		f.elsewhere().works("after the item was lost")
		if texts, ok := f.item()["allowed_ips"].(*types.AttributeValueMemberSS); !ok || texts.Value[0] != "203.0.113.0/24" {
			f.Errorf("the repaired item is %v", f.item())
		}
		f.clock.Advance(time.Hour)
		f.elsewhere().fails("at its end", f.hash)
	})
}

// A repair never makes a key work again that has expired, was revoked, is being
// revoked, or belongs to a closed organization.
func TestRepairNeverRevives(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"expired": func(f *fixture) {
			past := f.clock.Now().Truncate(time.Second)
			f.key.ExpiresAt = &past
			f.save()
		},
		"revoked": func(f *fixture) {
			now := f.clock.Now()
			f.key.RevokedAt = &now
			f.save()
		},
		"denied, and the process ended before the commit": func(f *fixture) {
			if err := f.projection.Deny(context.Background(), f.hash, f.clock.Now()); err != nil {
				f.Fatal(err)
			}
		},
		"of a closed organization": func(f *fixture) {
			testkit.Value[bool](f.T, f.db, `UPDATE organization SET deleted_at = now() RETURNING true`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(f *fixture) {
				f.insert()
				end(f)
				f.elsewhere().fails("when it is asked for", f.hash)
				f.clock.Advance(time.Minute)
				f.elsewhere().fails("a minute later", f.hash)
				if _, ok := f.item()["id"]; ok {
					f.Errorf("it was projected: %v", f.item())
				}
			})
		})
	}
}

// After a burst, junk reaches Postgres once per lookupEvery at most, and the same
// junk only once in five seconds. It does not delay a known key. A key that was
// not looked up gets a reply that asks to try again, and then works.
func TestJunkDoesNotHammerPostgres(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.project()
		f.works("before")
		junk, asked, began := fresh(f.T), 0, time.Now()
		for range 40 {
			_, _, err := f.projection.Caller(context.Background(), fresh(f.T), apikey.Use{From: home})
			switch {
			case errors.Is(err, apikey.ErrUnknown):
				asked++
			case !errors.Is(err, apikey.ErrNotLookedUp) || fault.Of(err).Kind != fault.Unavailable:
				f.Errorf("a key that was not looked up: %v", err)
			}
		}
		// On a slow machine more time passes, in which more may be looked up.
		if most := 20 + 1 + int(time.Since(began)/(200*time.Millisecond)); asked < 20 || asked > most {
			f.Errorf("40 unknown keys were looked up %d times, want 20 to %d", asked, most)
		}
		f.clock.Advance(time.Minute)
		f.fails("junk", junk)
		f.reads.Store(0)
		for range 100 {
			f.fails("the same junk", junk)
		}
		f.costs("the same junk", 0)
		f.works("after it")
	})
}

// A key without a projection is not refused while junk comes.
func TestJunkRefusesNoKey(t *testing.T) {
	f := newFixture(t, testkit.DynamoDBEndpoint(t)) // moto is so slow that meanwhile more may be looked up
	f.insert()
	var junk sync.WaitGroup
	for range 60 {
		hash := fresh(f.T)
		junk.Go(func() { _, _, _ = f.projection.Caller(context.Background(), hash, apikey.Use{From: home}) })
	}
	junk.Wait()
	if _, _, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{From: home}); !errors.Is(err, apikey.ErrNotLookedUp) {
		f.Errorf("amid junk: %v", err)
	}
	f.clock.Advance(time.Second)
	f.works("a second later")
}

// Environments cache by key, and each key belongs to one organization. So no
// organization gets a cached answer about another one's key.
func TestCacheKeepsOrganizationsApart(t *testing.T) {
	eachStore(t, func(f *fixture) {
		other := *f
		other.org, other.hash = f.db.NewOrg(f.T), fresh(f.T)
		other.key.ID, other.key.Permissions = id.New[id.APIKey](f.clock.Now()), []auth.Permission{auth.DeliveriesRead}
		f.project()
		other.project()
		for range 3 {
			f.works("one organization's")
			other.works("the other's")
		}
		f.costs("both keys", 2)
	})
}

// Five seconds after its commit every environment knows a change. A caller that
// asks before the commit gets the new state of the key and not the old one,
// however the process that changes it ends.
func TestChangeIsProjectedWhateverHappens(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.insert()
		f.works("before")
		there, asked := f.elsewhere(), make(chan auth.Caller, 1)
		f.key.Permissions = []auth.Permission{auth.EventsRead}
		f.db.InOrg(f.T, f.org, func(ctx context.Context, tx pg.Tx) error {
			if _, err := apikey.Lock(ctx, tx, f.org, f.key.ID); err != nil {
				return err
			}
			if err := apikey.Save(ctx, tx, f.org, f.key); err != nil {
				return err
			}
			if err := f.projection.Forget(ctx, f.hash); err != nil {
				return err
			}
			go func() {
				caller, _, _ := there.projection.Caller(ctx, f.hash, apikey.Use{From: home})
				asked <- caller
			}()
			testkit.Await(f.T, "somebody waits for the row", func() bool {
				return testkit.Value[bool](f.T, f.db, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`)
			})
			return nil
		}) // and the process that made the change ends here
		if caller := <-asked; len(caller.Rights.Gives()) != 1 {
			f.Errorf("while the key changed, its permissions were %v", caller.Rights)
		}
		f.works("in its own environment")
		f.elsewhere().works("elsewhere")
	})
}
