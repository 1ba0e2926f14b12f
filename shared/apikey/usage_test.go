package apikey_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
)

func (f *fixture) usage() apikey.Usage {
	f.Helper()
	found, err := f.projection.Usage(context.Background(), []apikey.Stored{{Hash: fresh(f.T)}, {Hash: f.hash}})
	if err != nil || len(found) > 1 {
		f.Fatalf("%v: %v", found, err)
	}
	return found[f.hash]
}

// Whenever a key's item is asked for, the same call stores when it was used.
func TestLastUse(t *testing.T) {
	eachStore(t, func(f *fixture) {
		if u := f.usage(); u.LastUsedAt != nil {
			f.Errorf("used at %s before there is an item", u.LastUsedAt)
		}
		f.project()
		if u := f.usage(); u.LastUsedAt != nil {
			f.Errorf("used at %s before any use", u.LastUsedAt)
		}
		for range 3 {
			f.works("a call")
			f.works("a call at once after it")
			f.costs("two calls", 1)
			if at := f.usage().LastUsedAt; at == nil || f.clock.Now().Sub(*at).Abs() > 3*time.Second {
				f.Errorf("used at %v, want %s", at, f.clock.Now())
			}
			f.clock.Advance(time.Minute)
		}
	})
}

// A key with an allow-list works only from its addresses. From others it looks
// like one that does not exist, and the log says why.
func TestAllowedIPs(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.key.AllowedIPs = []string{"203.0.113.0/24", "2001:db8::1"}
		f.project()
		for from, works := range map[string]bool{
			"203.0.113.7": true, "203.0.113.255": true, "2001:db8::1": true, "::ffff:203.0.113.7": true,
			"203.0.114.7": false, "2001:db8::2": false, "127.0.0.1": false,
		} {
			_, _, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{From: netip.MustParseAddr(from)})
			if (err == nil) != works || err != nil && !strings.Contains(err.Error(), "does not work from") {
				f.Errorf("from %s: %v", from, err)
			}
		}
		if _, _, err := f.projection.Caller(context.Background(), f.hash, apikey.Use{}); err == nil {
			f.Error("works from an address that could not be read")
		}
		f.key.AllowedIPs = nil
		f.project()
		f.works("after the list was taken away")
	})
}

// A list of networks is stored in one form, however it was written.
func TestParseNetworks(t *testing.T) {
	got, err := apikey.ParseNetworks([]string{"203.0.113.7/32", "10.0.0.0/8", "203.0.113.7", "2001:DB8:0::1"})
	if want := "10.0.0.0/8 2001:db8::1 203.0.113.7"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
	for _, bad := range []string{"", "localhost", "10.0.0.1/8", "10.0.0.0/33", "fe80::1%eth0", "::ffff:10.0.0.1", "10.0.0.0/8 ", "1.2.3"} {
		if got, err := apikey.ParseNetworks([]string{bad}); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

// A caller cannot give a key what it does not have: no permission, no longer
// life, no other address.
func TestGrant(t *testing.T) {
	soon, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	narrow := apikey.Grant{Permissions: []auth.Permission{auth.EventsRead}, ExpiresAt: &soon, AllowedIPs: []string{"10.0.0.0/8", "192.0.2.1"}}
	key := func(change func(*apikey.APIKey)) apikey.APIKey {
		k := apikey.APIKey{Permissions: narrow.Permissions, ExpiresAt: &soon, AllowedIPs: []string{"10.1.0.0/16", "192.0.2.1"}}
		change(&k)
		return k
	}
	for name, tt := range map[string]struct {
		key  apikey.APIKey
		want string // part of the error; "": none
	}{
		"less":                    {key(func(*apikey.APIKey) {}), ""},
		"a permission more":       {key(func(k *apikey.APIKey) { k.Permissions = []auth.Permission{auth.EventsRead, auth.EventsWrite} }), "events:write"},
		"no end":                  {key(func(k *apikey.APIKey) { k.ExpiresAt = nil }), "expires_at"},
		"a later end":             {key(func(k *apikey.APIKey) { k.ExpiresAt = &later }), "expires_at"},
		"any address":             {key(func(k *apikey.APIKey) { k.AllowedIPs = nil }), "allowed_ips"},
		"a wider network":         {key(func(k *apikey.APIKey) { k.AllowedIPs = []string{"10.0.0.0/7"} }), "allowed_ips"},
		"a network beside":        {key(func(k *apikey.APIKey) { k.AllowedIPs = []string{"10.0.0.1", "11.0.0.1"} }), "allowed_ips"},
		"an address of the other": {key(func(k *apikey.APIKey) { k.AllowedIPs = []string{"::a00:1"} }), "allowed_ips"},
	} {
		if err := narrow.Check(tt.key); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A staff key has every permission, unless its row lists some, and no
// organization. A lost projection is repaired, and a revoked key never works again.
func TestStaffKey(t *testing.T) {
	for _, listed := range [][]auth.Permission{nil, {auth.JobsRead, auth.OrganizationsCreate}} {
		testStaffKey(t, listed)
	}
}

func testStaffKey(t *testing.T, listed []auth.Permission) {
	want := listed
	if listed == nil {
		want = auth.AllOfStaff()
	}
	eachStore(t, func(f *fixture) {
		ctx := context.Background()
		staff := apikey.StaffKey{ID: id.New[id.StaffKey](f.clock.Now()), Name: "Ada", Permissions: listed, CreatedAt: f.clock.Now()}
		if err := apikey.InsertStaff(ctx, f.db.App.Shared(), staff, f.hash); err != nil {
			f.Fatal(err)
		}
		asStaff := func(f *fixture, when string) {
			caller, _, err := f.projection.Caller(ctx, f.hash, apikey.Use{From: home})
			if err != nil || caller.Actor.ID != staff.ID.String() || caller.Actor.Name != "Ada" || !caller.Org.IsZero() || !slices.Equal(slices.Sorted(slices.Values(caller.Rights.Gives())), want) {
				f.Errorf("%s: %+v, %v", when, caller, err)
			}
		}
		asStaff(f, "though never projected")
		asStaff(f.elsewhere(), "from its item")
		revoke := func(key id.StaffKey) (revoked bool, err error) {
			return revoked, f.db.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
				revoked, err = f.projection.RevokeStaff(ctx, tx, key, f.clock.Now())
				return err
			})
		}
		if _, err := revoke(id.New[id.StaffKey](f.clock.Now())); err == nil {
			f.Error("revoked a staff key that does not exist")
		}
		for _, first := range []bool{true, false} {
			if revoked, err := revoke(staff.ID); err != nil || revoked != first {
				f.Fatalf("revoked: %v, %v, want %v", revoked, err, first)
			}
		}
		f.fails("revoked", f.hash)
		f.lose()
		f.elsewhere().fails("revoked, its item lost", f.hash)
	})
}
