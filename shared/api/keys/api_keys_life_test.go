package api_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/testkit"
)

// Ten seconds after the reply no environment accepts a revoked key, whatever it
// had cached; the promise is kept twice over.
func TestRevokedEverywhereInTenSeconds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	user, key := acme.newKey(`{"name":"leaked","permissions":["events:read"]}`)
	there := user.environment(never)
	user.works("here, before", true)
	there.works("there, before", true)
	want(t, acme.do("POST", "/v1/api-keys/"+key+"/revoke", ""), `200 "status":"revoked"`)
	user.works("where it was revoked, at once", false)
	h.Advance(t, 4*time.Second)
	there.works("there, while it is cached", true)
	h.Advance(t, time.Second)
	there.works("there, after five seconds", false)
	h.Advance(t, 24*time.Hour)
	there.works("there, a day later", false)
	user.environment(never).works("in a fresh environment", false)
}

// A key that does not exist, one that has expired, one that was revoked and one
// that is used from elsewhere are answered alike; the log tells them apart.
func TestRefusedKeysLookAlike(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	soon := h.Clock.Now().Add(time.Minute).Format(time.RFC3339)
	expired, _ := acme.newKey(`{"name":"expired","permissions":["events:read"],"expires_at":"` + soon + `"}`)
	revoked, key := acme.newKey(`{"name":"revoked","permissions":["events:read"]}`)
	bound, _ := acme.newKey(`{"name":"bound","permissions":["events:read"],"allowed_ips":["192.0.2.0/24"]}`)
	unknown := acme
	unknown.key = apikey.Generate()
	mistyped := acme
	mistyped.key = unknown.key[:39] + "é"
	want(t, acme.do("POST", "/v1/api-keys/"+key+"/revoke", ""), "200")
	h.Advance(t, 2*time.Minute)
	want(t, bound.from("192.0.2.9:1"), "200")
	want(t, bound.from("192.0.2.9"), "200")

	refused := unknown.from("198.51.100.1:1")
	want(t, refused, "401 api_key_invalid")
	for cause, c := range map[string]caller{
		"expired at": expired, "revoked at": revoked, "does not work from 198.51.100.1": bound, "malformed": mistyped, "unknown key": unknown,
	} {
		h.lines.mu.Lock()
		h.lines.buf.Reset()
		h.lines.mu.Unlock()
		r := c.from("198.51.100.1:1")
		if r.status != refused.status || r.body != refused.body || r.header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s", cause, r.status, r.body)
		}
		if !strings.Contains(h.lines.String(), cause) {
			t.Errorf("the log does not say %q: %s", cause, h.lines)
		}
	}
}

// The overlap of a rotation lets both keys work, and neither longer than the
// old one would have.
func TestRotateAPIKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	const days = 24 * time.Hour
	for _, tt := range []struct {
		name     string
		life     time.Duration // of the old key; 0: no end
		body     string
		old, new time.Duration // how long they work; 0: not, or for ever
	}{
		{"unless it says otherwise a day", 0, ``, days, 0},
		{"an hour", 0, `{"overlap_seconds":3600}`, time.Hour, 0},
		{"at once", 0, `{"overlap_seconds":0}`, 0, 0},
		{"of a key that ends later", 3 * days, ``, days, 3 * days},
		{"of a key that ends before the overlap", time.Hour, ``, time.Hour, time.Hour},
		{"at once, of a key that ends", time.Hour, `{"overlap_seconds":0}`, 0, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := ""
			if tt.life > 0 {
				end = `,"expires_at":"` + h.Clock.Now().Add(tt.life).Add(time.Second).Format(time.RFC3339) + `"`
			}
			old, key := acme.newKey(`{"name":"x","permissions":["events:read"],"allowed_ips":["192.0.2.0/24"]` + end + `}`)
			r := acme.do("POST", "/v1/api-keys/"+key+"/rotate", tt.body)
			want(t, r, `201 "permissions":["events:read"] "allowed_ips":["192.0.2.0/24"]`)
			next := acme
			next.key = r.get(t, "key")
			want(t, acme.do("GET", "/v1/api-keys/"+key, ""), `200 "replaced_by":"`+r.get(t, "id")+`"`)
			at := time.Duration(0)
			for _, check := range []time.Duration{10 * time.Second, time.Hour - time.Minute, time.Hour + time.Minute, days - time.Minute, days + time.Minute, 3*days - time.Minute, 3*days + time.Minute} {
				h.Advance(t, check-at)
				at = check
				old.works("the old key, after "+at.String(), at < tt.old)
				next.works("the new key, after "+at.String(), tt.new == 0 || at < tt.new)
			}
		})
	}
}

// A key's status tells what becomes of it; an end can be moved, and what has
// ended does not come back.
func TestAPIKeyStatus(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	at := func(in time.Duration) string {
		return `{"expires_at":"` + h.Clock.Now().Add(in).Format(time.RFC3339) + `"}`
	}
	user, key := acme.newKey(`{"name":"x","permissions":["events:read","events:write"]}`)
	path := "/v1/api-keys/" + key
	want(t, acme.do("PATCH", path, at(30*24*time.Hour)), `200 "status":"active"`)
	want(t, acme.do("PATCH", path, at(time.Hour)), `200 "status":"expiring"`)
	want(t, acme.do("PATCH", path, at(2*time.Hour)), `200 "status":"expiring"`)
	h.Advance(t, 90*time.Minute)
	user.works("before its end, which was moved", true)
	want(t, acme.do("PATCH", path, `{"permissions":["events:write"]}`), `200 "permissions":["events:write"]`)
	want(t, user.do("GET", "/v1/events", ""), "403 events:read")
	h.Advance(t, time.Hour)
	want(t, acme.do("GET", path, ""), `200 "status":"expired"`)
	user.works("after its end", false)
	want(t, acme.do("PATCH", path, at(time.Hour)), `409 api_key_ended`)
	want(t, acme.do("POST", path+"/rotate", ``), `409 api_key_ended`)
}

// However a request that makes, rotates, changes or revokes a key is cut short,
// the key then works as Postgres says; but one whose revocation was begun does
// not work again.
func TestAPIKeyCrashes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	projecting := func(body string) bool { return strings.Contains(body, "attribute_not_exists(revoked_at)") }
	broken := acme.environment(projecting) // every process ends after its commit
	const body = `{"name":"x","permissions":["events:read"]}`

	user, key := broken.newKey(body)
	there := user
	there.harness = h
	there.works("a new key that was not projected", true)
	if !strings.Contains(h.lines.String(), "projecting_failed") {
		t.Error("the log does not say that projecting failed")
	}
	r := broken.do("POST", "/v1/api-keys/"+key+"/rotate", `{"overlap_seconds":60}`)
	next := there
	next.key = r.get(t, "key")
	next.works("a rotation's new key that was not projected", true)
	there.works("the old key, in the overlap", true)
	h.Advance(t, 61*time.Second)
	there.works("the old key, after it", false)

	path := "/v1/api-keys/" + r.get(t, "id")
	want(t, acme.environment(func(body string) bool { return strings.Contains(body, "if_not_exists") }).do("POST", path+"/revoke", ""), "503 unavailable")
	next.works("a key that could not be denied", true)
	mustExec(t, h, `ALTER TABLE api_key ADD CONSTRAINT crash CHECK (revoked_at IS NULL AND name <> 'crash') NOT VALID`)
	want(t, acme.do("PATCH", path, `{"name":"crash"}`), "500")
	next.works("a key whose change was not committed", true)
	want(t, acme.do("POST", path+"/revoke", ""), "500")
	next.works("a key whose revocation was not committed", false)
	want(t, acme.do("GET", path, ""), `200 "status":"revoked" "revoked_at":null`)
	mustExec(t, h, `ALTER TABLE api_key DROP CONSTRAINT crash`)
	want(t, acme.do("POST", path+"/revoke", ""), `200 "status":"revoked" !"revoked_at":null`)
	next.environment(never).works("after it was revoked again", false)
}

// A key that was revoked a moment ago, and is still cached, makes no other.
func TestRevokedKeyMakesNoOther(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	leaked, key := acme.newKey(`{"name":"leaked","permissions":["events:read","api_keys:write"]}`)
	there := leaked.environment(never)
	there.works("before", true)
	want(t, acme.do("POST", "/v1/api-keys/"+key+"/revoke", ""), "200")
	there.works("cached", true)
	want(t, there.do("POST", "/v1/api-keys", `{"name":"x","permissions":["events:read"]}`), "401 api_key_invalid !ptc_0")
}

// While made-up keys come faster than they are looked up, a key that DynamoDB has
// lost is told to come back, not that it is invalid. Whoever sends them does not
// make the errors that roll a deployment back.
func TestJunkIsNotDecided(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for ctx.Err() == nil {
				if hash, err := apikey.Parse(apikey.Generate()); err == nil {
					_, _ = h.keys.Caller(ctx, hash, netip.Addr{})
				}
			}
		})
	}
	var refused reply
	testkit.Await(t, "a key that is not looked up", func() bool {
		refused = caller{harness: h, key: apikey.Generate()}.do("GET", "/v1/events", "")
		return refused.status != http.StatusUnauthorized
	})
	stop()
	flood.Wait()
	want(t, refused, "503 unavailable")
	if refused.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", refused.header.Get("Retry-After"))
	}
	want(t, acme.do("GET", "/v1/events", ""), "200")
	if lines := h.lines.String(); !strings.Contains(lines, `"KeysNotLookedUp":1`) || strings.Contains(lines, `"ServerErrors":1`) {
		t.Errorf("the log counts it otherwise: %s", lines)
	}
}
