package apikey_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/testkit"
)

// home is the address from which keys are used.
var home = netip.MustParseAddr("203.0.113.7")

// fixture is a projection in a table of its own, behind a proxy that counts
// reads, with one key of one organization.
type fixture struct {
	*testing.T
	projection *apikey.Projection
	client     *dynamodb.Client
	table      string
	db         *testkit.Database
	clock      *clock.Clock
	reads      *atomic.Int64
	org        id.Org
	key        apikey.APIKey
	hash       apikey.Hash
}

// eachStore runs a test with every available DynamoDB.
func eachStore(t *testing.T, test func(*fixture)) {
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) { test(newFixture(t, endpoint)) })
	}
}

func newFixture(t *testing.T, endpoint string) *fixture {
	t.Helper()
	f := &fixture{T: t, db: testkit.DB(t), reads: &atomic.Int64{}}
	f.clock = f.db.Clock
	f.client, f.table = testkit.Table(t, endpoint, "hash")
	counted := testkit.DynamoDBThrough(t, endpoint, func(call, body string) (fails bool) {
		if call == "GetItem" || call == "UpdateItem" && strings.Contains(body, "last_used_at") { // stamps a key too
			f.reads.Add(1)
		}
		return false
	})
	f.projection = apikey.NewProjection(counted, f.table, f.db.App, f.clock)
	f.projection.Limit(limit.Settings{Budget: time.Minute}) // counts nothing
	now := f.clock.Now()
	f.org = f.db.NewOrg(t)
	f.key = apikey.APIKey{
		ID: id.New[id.APIKey](now), Name: "first", CreatedAt: now,
		Permissions: []auth.Permission{auth.EventsRead, auth.EventsWrite},
	}
	f.hash = fresh(t)
	return f
}

// fresh returns the hash of a key that nobody has.
func fresh(t *testing.T) apikey.Hash {
	t.Helper()
	hash, err := apikey.Parse(apikey.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func (f *fixture) project() {
	f.Helper()
	if err := f.projection.Project(context.Background(), f.org, f.key, nil, f.hash); err != nil {
		f.Fatal(err)
	}
}

// works checks that the key answers with its holder.
func (f *fixture) works(when string) {
	f.Helper()
	got, _, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{From: home})
	if err != nil {
		f.Fatalf("%s: %v", when, err)
	}
	slices.Sort(got.Rights.(auth.Set))
	want := auth.Caller{Org: f.org, Actor: auth.Actor{Type: "api_key", ID: f.key.ID.String()}, Rights: auth.Set(f.key.Permissions)}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("%s: -want +got:\n%s", when, diff)
	}
}

// fails checks that a key gets the same answer as one that never existed.
func (f *fixture) fails(when string, hash apikey.Hash) {
	f.Helper()
	if _, _, err := f.projection.Caller(context.Background(), hash, apikey.Use{From: home}); !errors.Is(err, apikey.ErrUnknown) {
		f.Errorf("%s: answered %v, want ErrUnknown", when, err)
	}
}

func (f *fixture) costs(when string, reads int64) {
	f.Helper()
	if got := f.reads.Swap(0); got != reads {
		f.Errorf("%s: %d reads, want %d", when, got, reads)
	}
}

// set writes an attribute that does not belong to the projection.
func (f *fixture) set(name, value string) {
	f.Helper()
	_, err := f.client.UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
		TableName: &f.table, Key: f.itemKey(), UpdateExpression: aws.String("SET #n = :v"),
		ExpressionAttributeNames:  map[string]string{"#n": name},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": &types.AttributeValueMemberS{Value: value}},
	})
	if err != nil {
		f.Fatal(err)
	}
}

// A key answers with its organization, id and permissions; any other hash does not.
func TestCaller(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.fails("before it is projected", f.hash)
		f.project()
		f.works("as soon as it is projected: a refusal is not remembered")
		f.fails("another key", fresh(f.T))
		f.fails("the zero hash", apikey.Hash{})
	})
}

// A key ends at its time, cached or not, even if DynamoDB has not removed the
// item yet.
func TestExpiry(t *testing.T) {
	eachStore(t, func(f *fixture) {
		end := f.clock.Now().Truncate(time.Second).Add(time.Minute)
		f.key.ExpiresAt = &end
		f.project()
		f.works("a minute before its end")
		f.clock.Advance(56 * time.Second)
		f.reads.Store(0)
		f.works("just before its end")
		f.clock.Advance(4 * time.Second)
		f.fails("at its end, from the cache", f.hash)
		f.costs("both", 1)
		f.clock.Advance(time.Hour)
		f.fails("an hour later, read again", f.hash)
		f.key.ExpiresAt = nil
		f.project()
		f.clock.Advance(time.Hour)
		f.works("after its end was taken away")
	})
}

// A revoked key stops working within five seconds. Writing its projection again
// does not make it work again.
func TestRevoked(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.project()
		f.works("before")
		f.set("revoked_at", "2026-11-20T10:00:00Z")
		f.clock.Advance(5 * time.Second)
		f.fails("five seconds after it was revoked", f.hash)
		if err := f.projection.Project(context.Background(), f.org, f.key, nil, f.hash); err == nil {
			f.Error("a revoked key was projected again")
		}
		f.clock.Advance(5 * time.Second)
		f.fails("after another projection", f.hash)
	})
}

// Writing a projection again replaces its own attributes only: the limiter keeps
// its state in the same item.
func TestProjectKeepsForeignAttributes(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.set("limit_tat", "12345") // the limiter may have come first
		f.project()
		f.key.Permissions = []auth.Permission{auth.DeliveriesRead}
		f.project()
		f.works("with its new permissions")
		if v, ok := f.item()["limit_tat"].(*types.AttributeValueMemberS); !ok || v.Value != "12345" {
			f.Errorf("the limiter's attribute is now %v", v)
		}
	})
}

// A busy key costs one read in five seconds, however often it is used.
func TestCache(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.project()
		for range 100 {
			f.works("a call of many")
		}
		f.costs("100 calls", 1)
		f.clock.Advance(3 * time.Second)
		f.works("after three seconds")
		f.costs("a call after three seconds", 0)
		f.clock.Advance(2 * time.Second)
		f.works("after five seconds")
		f.costs("a call after five seconds", 1)
	})
}

// While DynamoDB does not answer, the reply does not say that a key is wrong: the
// caller may try again.
func TestStoreAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	closed := server.URL
	server.Close()
	cfg := testkit.AWS(closed)
	cfg.RetryMaxAttempts = 1
	projection := apikey.NewProjection(dynamodb.NewFromConfig(cfg), "keys", nil, &clock.Clock{})
	_, _, err := projection.Caller(context.Background(), fresh(t), apikey.Use{From: home})
	if f := fault.Of(err); f == nil || f.Kind != fault.Unavailable {
		t.Errorf("answered %v, want a fault of kind Unavailable", err)
	}
	if strings.Contains(fault.Of(err).Detail, closed) {
		t.Error("the detail shows an address of ours")
	}
}

// A key that is used so much that its calls are leased stops working within five
// seconds of its revocation, without more calls of DynamoDB.
func TestRevokedWhileLeased(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.projection.Limit(limit.Settings{Environments: 1, Budget: time.Minute, Policies: limit.Policies{limit.Policy{
			Name: "requests", Scope: limit.ByKey, Unit: limit.Requests, Algorithm: limit.FixedWindow, Window: 10 * time.Minute,
		}.With(1_000_000)}})
		f.project()
		call := func() error {
			_, _, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{From: home, Amounts: limit.Amounts{Requests: 1}})
			return err
		}
		testkit.Must(f.T, call()) // sees how much is left
		testkit.Must(f.T, call()) // takes a fiftieth of the limit
		f.set("revoked_at", "2026-11-20T10:00:00Z")
		f.reads.Store(0)
		for range 1000 {
			if err := call(); err != nil {
				f.Fatalf("while it is leased: %v", err)
			}
		}
		f.costs("a thousand calls", 0)
		f.clock.Advance(5 * time.Second)
		f.fails("five seconds later", f.hash)
	})
}

// The first call in an environment authenticates and counts in one call of DynamoDB;
// so does each later one that is not leased.
func TestOneCallAuthenticatesAndCounts(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.projection.Limit(limit.Settings{Environments: 1, Budget: time.Minute, Policies: limit.Policies{limit.Policy{
			Name: "requests", Scope: limit.ByKey, Unit: limit.Requests, Algorithm: limit.TokenBucket, Window: time.Minute,
		}.With(10)}})
		f.project()
		f.reads.Store(0)
		for i := range 21 {
			caller, d, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{From: home, Amounts: limit.Amounts{Requests: 1}})
			testkit.Must(f.T, err)
			if caller.APIKey() != f.key.ID || d.Allowed() != (i < 20) {
				f.Errorf("call %d: %v, %+v", i, caller, d.States)
			}
		}
		f.costs("21 calls of a slow key, the last denied", 20)
	})
}
