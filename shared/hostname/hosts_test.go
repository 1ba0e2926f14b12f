package hostname_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/testkit"
)

// A host belongs to the organization of its name, however it is written. Similar
// names belong to nobody.
func TestHostIsTheName(t *testing.T) {
	eachStore(t, func(f *fixture) {
		own, sub := f.add(f.acme, "portal.example.com"), f.add(f.evil, "evil."+base)
		f.show(own)
		testkit.Must(f.T, f.verify(f.acme, own))
		testkit.Must(f.T, f.verify(f.evil, sub))
		for _, host := range []string{"portal.example.com", "PORTAL.Example.com", "portal.example.com:443", "portal.example.com."} {
			f.isOf(host, f.acme)
		}
		f.isOf("evil."+base, f.evil)
		for _, host := range []string{"example.com", "x.portal.example.com", "portal.example.co", "portal-example.com", "evil", "evil.example", "x.evil." + base} {
			f.isOf(host, nobody)
		}
	})
}

// Our own hosts, addresses and junk are never looked up.
func TestOwnHostsCostNothing(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.calls.Store(0)
		for _, host := range []string{
			"", "localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "::1", "x.execute-api.eu-central-1.amazonaws.com",
			base, "api." + base, "API." + base + ":443", "portal.example.com/x", "portal.example.com,evil.example.com", "pörtal.example.com",
			strings.Repeat("a.", 2000) + "com", "a\x00.com", "portal example.com",
		} {
			f.isOf(host, nobody)
		}
		if n := f.calls.Load(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// Whatever the answer, it costs one read in five seconds. After these a released
// name belongs to nobody.
func TestHostIsCached(t *testing.T) {
	eachStore(t, func(f *fixture) {
		d := f.add(f.acme, "acme."+base)
		testkit.Must(f.T, f.verify(f.acme, d))
		there := f.environment()
		ask := func(host string, calls int64) (known bool) {
			t.Helper()
			f.calls.Store(0)
			for range 100 {
				org, err := there.Org(context.Background(), host)
				testkit.Must(f.T, err)
				known = org == f.acme
			}
			if n := f.calls.Load(); n != calls {
				t.Errorf("100 questions about %s cost %d calls, want %d", host, n, calls)
			}
			return known
		}
		if !ask(d.Name, 1) || ask("unknown.example.com", 1) {
			t.Error("wrong at first")
		}
		testkit.Must(f.T, f.delete(f.acme, d))
		f.db.Advance(t, 4*time.Second)
		if !ask(d.Name, 0) || ask("unknown.example.com", 0) {
			t.Error("wrong while cached")
		}
		f.db.Advance(t, time.Second)
		if ask(d.Name, 1) || ask("unknown.example.com", 1) {
			t.Error("wrong after five seconds")
		}
		own := f.hosts // the environment that changes a name notices at once
		d = f.add(f.acme, d.Name)
		if org, err := own.Org(context.Background(), d.Name); err != nil || org != nobody {
			t.Errorf("pending: %v, %v", org, err)
		}
		testkit.Must(f.T, f.verify(f.acme, d))
		if org, err := own.Org(context.Background(), d.Name); err != nil || org != f.acme {
			t.Errorf("verified: %v, %v", org, err)
		}
	})
}

// While DynamoDB does not answer, nobody can say whom a host belongs to, and no
// change is made.
func TestStoreAway(t *testing.T) {
	eachStore(t, func(f *fixture) {
		d := f.add(f.acme, "acme."+base)
		f.lose("GetItem")
		_, err := f.environment().Org(context.Background(), d.Name)
		f.answers("a question", err, "unavailable")
		if strings.Contains(fault.Of(err).Detail, f.table) {
			t.Error("the detail shows the name of our table")
		}
		f.answers("a verification that cannot read", f.verify(f.acme, d), "unavailable")
		f.lose("PutItem")
		f.answers("a verification that cannot write", f.verify(f.acme, d), "unavailable")
		f.lose("")
		if f.verified(d) {
			t.Error("verified")
		}
		testkit.Must(f.T, f.verify(f.acme, d))
		f.lose("DeleteItem")
		f.answers("a deletion", f.delete(f.acme, d), "unavailable")
		f.lose("")
		f.isOf(d.Name, f.acme)
		if !f.verified(d) {
			t.Error("the domain is deleted, but its name still belongs to it")
		}
		testkit.Must(f.T, f.delete(f.acme, d))
		f.isOf(d.Name, nobody)
		f.answers("a second deletion", f.delete(f.acme, d), hostname.ErrNotFound.Code)
	})
}
