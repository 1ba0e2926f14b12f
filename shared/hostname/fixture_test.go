package hostname_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const base = "portico.example"

// fixture is two organizations with one table of names, behind a proxy that
// counts calls, can lose them, and can run a function before each.
type fixture struct {
	*testing.T
	db         *testkit.Database
	names      *testkit.NameServer
	table      string
	client     *dynamodb.Client
	hosts      *hostname.Hosts
	acme, evil id.Org
	calls      *atomic.Int64
	lost       *atomic.Value // the calls that are lost, by name: «PutItem»; "": none
	before     *atomic.Value // func(call string)
}

// eachStore runs a test with every available DynamoDB.
func eachStore(t *testing.T, test func(*fixture)) {
	t.Parallel()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			f := &fixture{T: t, db: testkit.DB(t), names: testkit.NewNameServer(t), calls: &atomic.Int64{}, lost: &atomic.Value{}, before: &atomic.Value{}}
			f.lose("")
			f.before.Store(func(string) {})
			_, f.table = testkit.Table(t, endpoint, "name")
			f.client = testkit.DynamoDBThrough(t, endpoint, func(call, _ string) (fails bool) {
				f.before.Load().(func(string))(call)
				if call == f.lost.Load().(string) {
					return true
				}
				f.calls.Add(1)
				return false
			})
			f.acme, f.evil = f.db.NewOrg(t), f.db.NewOrg(t)
			f.hosts = f.environment()
			test(f)
		})
	}
}

func (f *fixture) lose(call string) { f.lost.Store(call) }

// environment is an execution environment with a cache of its own.
func (f *fixture) environment() *hostname.Hosts {
	hosts := hostname.NewHosts(f.client, f.table, base, f.db.Clock)
	hosts.Resolver = f.names.Resolver()
	return hosts
}

// add adds a pending domain.
func (f *fixture) add(org id.Org, name string) hostname.Domain {
	f.Helper()
	d := hostname.New(name, f.db.Clock.Now())
	f.db.InOrg(f.T, org, func(ctx context.Context, tx pg.Tx) error { return f.hosts.Add(ctx, tx, org, d) })
	return d
}

func (f *fixture) tryAdd(org id.Org, name string) error {
	return f.db.App.InOrg(f.Context(), org, func(tx pg.Tx) error {
		return f.hosts.Add(f.Context(), tx, org, hostname.New(name, f.db.Clock.Now()))
	})
}

// show makes DNS show a domain's record, together with another one.
func (f *fixture) show(d hostname.Domain) {
	name, value := d.Record()
	f.names.Set(name, "v=spf1 -all", value)
}

func (f *fixture) verify(org id.Org, d hostname.Domain) error {
	return f.db.App.InOrg(f.Context(), org, func(tx pg.Tx) error {
		_, _, err := f.hosts.Verify(f.Context(), tx, org, d.ID, f.db.Clock.Now())
		return err
	})
}

func (f *fixture) delete(org id.Org, d hostname.Domain) error {
	return f.db.App.InOrg(f.Context(), org, func(tx pg.Tx) error {
		_, err := f.hosts.Delete(f.Context(), tx, org, d.ID)
		return err
	})
}

// errCrash ends a transaction before its commit, as when the process ends.
var errCrash = errors.New("the process ended")

func (f *fixture) crash(org id.Org, do func(context.Context, pg.Tx) error) {
	f.Helper()
	err := f.db.App.InOrg(f.Context(), org, func(tx pg.Tx) error {
		if err := do(f.Context(), tx); err != nil {
			return err
		}
		return errCrash
	})
	if !errors.Is(err, errCrash) {
		f.Fatalf("before the crash: %v", err)
	}
}

// answers checks that an error is a fault with this code, with this text in its
// detail; "": that there is no error.
func (f *fixture) answers(what string, err error, code string, says ...string) {
	f.Helper()
	got := fault.Of(err)
	if (code == "") != (err == nil) || code != "" && (got == nil || got.Code != code) {
		f.Errorf("%s: %v, want %q", what, err, code)
		return
	}
	for _, text := range says {
		if !strings.Contains(got.Detail, text) {
			f.Errorf("%s: %q does not say %q", what, got.Detail, text)
		}
	}
}

// isOf checks which organization a host belongs to, in an environment with an
// empty cache.
func (f *fixture) isOf(host string, want id.Org) {
	f.Helper()
	got, err := f.environment().Org(context.Background(), host)
	if err != nil || got != want {
		f.Errorf("%s is of %v (%v), want %v", host, got, err, want)
	}
}

func (f *fixture) verified(d hostname.Domain) bool {
	f.Helper()
	return testkit.Value[bool](f.T, f.db, `SELECT verified_at IS NOT NULL FROM domain WHERE id = $1`, d.ID)
}

// nobody is no organization.
var nobody id.Org
