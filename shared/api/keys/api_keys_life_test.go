package keys_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/apikey"
	"portico/shared/testkit"
)

// Ten seconds after the reply no environment accepts a revoked key, whatever it
// had cached. In fact none does after five.
func TestRevokedEverywhereInTenSeconds(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	h.Limit(nil) // otherwise the next call of a slow key sees it, because it is counted
	acme := h.Organization("Acme")
	user, key := acme.NewKey(`{"name":"leaked","permissions":["events:read"]}`)
	there := user.Environment(apitest.Never)
	user.Works("here, before", true)
	there.Works("there, before", true)
	apitest.Want(t, acme.Do("POST", "/v1/api-keys/"+key+"/revoke", ""), `200 "status":"revoked"`)
	user.Works("where it was revoked, at once", false)
	h.Advance(t, 4*time.Second)
	there.Works("there, while it is cached", true)
	h.Advance(t, time.Second)
	there.Works("there, after five seconds", false)
	h.Advance(t, 24*time.Hour)
	there.Works("there, a day later", false)
	user.Environment(apitest.Never).Works("in a fresh environment", false)
}

// A key that does not exist, has expired, was revoked or is used from another
// address gets the same reply; only the log shows the difference.
func TestRefusedKeysLookAlike(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	soon := h.Clock.Now().Add(time.Minute).Format(time.RFC3339)
	expired, _ := acme.NewKey(`{"name":"expired","permissions":["events:read"],"expires_at":"` + soon + `"}`)
	revoked, key := acme.NewKey(`{"name":"revoked","permissions":["events:read"]}`)
	bound, _ := acme.NewKey(`{"name":"bound","permissions":["events:read"],"allowed_ips":["192.0.2.0/24"]}`)
	unknown := acme
	unknown.Key = apikey.Generate()
	mistyped := acme
	mistyped.Key = unknown.Key[:39] + "é"
	apitest.Want(t, acme.Do("POST", "/v1/api-keys/"+key+"/revoke", ""), "200")
	h.Advance(t, 2*time.Minute)
	apitest.Want(t, bound.From("192.0.2.9:1"), "200")
	apitest.Want(t, bound.From("192.0.2.9"), "200")

	refused := unknown.From("198.51.100.1:1")
	apitest.Want(t, refused, "401 api_key_invalid")
	challenge := refused.Header.Get("Www-Authenticate")
	if !strings.HasPrefix(challenge, "Bearer") {
		t.Errorf("challenge %q", challenge)
	}
	for cause, c := range map[string]apitest.Caller{
		"expired at": expired, "revoked at": revoked, "does not work from 198.51.100.1": bound, "malformed": mistyped, "unknown key": unknown,
	} {
		h.Lines.Reset()
		r := c.From("198.51.100.1:1")
		if r.Status != refused.Status || r.Body != refused.Body || r.Header.Get("Www-Authenticate") != challenge {
			t.Errorf("%s: %d %s", cause, r.Status, r.Body)
		}
		if !strings.Contains(h.Lines.String(), cause) {
			t.Errorf("the log does not say %q: %s", cause, h.Lines)
		}
	}
}

// During the overlap of a rotation both keys work, and neither works longer than
// the old one would have.
func TestRotateAPIKey(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
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
			old, key := acme.NewKey(`{"name":"x","permissions":["events:read"],"allowed_ips":["192.0.2.0/24"]` + end + `}`)
			r := acme.Do("POST", "/v1/api-keys/"+key+"/rotate", tt.body)
			apitest.Want(t, r, `201 "permissions":["events:read"] "allowed_ips":["192.0.2.0/24"]`)
			next := acme
			next.Key = r.Get(t, "key")
			apitest.Want(t, acme.Do("GET", "/v1/api-keys/"+key, ""), `200 "replaced_by":"`+r.Get(t, "id")+`"`)
			at := time.Duration(0)
			for _, check := range []time.Duration{10 * time.Second, time.Hour - time.Minute, time.Hour + time.Minute, days - time.Minute, days + time.Minute, 3*days - time.Minute, 3*days + time.Minute} {
				h.Advance(t, check-at)
				at = check
				old.Works("the old key, after "+at.String(), at < tt.old)
				next.Works("the new key, after "+at.String(), tt.new == 0 || at < tt.new)
			}
		})
	}
}

// A key's status says whether it works. Its end can be changed, but a key that
// has ended does not work again.
func TestAPIKeyStatus(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	at := func(in time.Duration) string {
		return `{"expires_at":"` + h.Clock.Now().Add(in).Format(time.RFC3339) + `"}`
	}
	user, key := acme.NewKey(`{"name":"x","permissions":["events:read","events:write"]}`)
	path := "/v1/api-keys/" + key
	apitest.Want(t, acme.Do("PATCH", path, at(30*24*time.Hour)), `200 "status":"active"`)
	apitest.Want(t, acme.Do("PATCH", path, at(time.Hour)), `200 "status":"expiring"`)
	apitest.Want(t, acme.Do("PATCH", path, at(2*time.Hour)), `200 "status":"expiring"`)
	h.Advance(t, 90*time.Minute)
	user.Works("before its end, which was moved", true)
	apitest.Want(t, acme.Do("PATCH", path, `{"permissions":["events:write"]}`), `200 "permissions":["events:write"]`)
	apitest.Want(t, user.Do("GET", "/v1/events", ""), "403 events:read")
	h.Advance(t, time.Hour)
	apitest.Want(t, acme.Do("GET", path, ""), `200 "status":"expired"`)
	user.Works("after its end", false)
	apitest.Want(t, acme.Do("PATCH", path, at(time.Hour)), `409 api_key_ended`)
	apitest.Want(t, acme.Do("POST", path+"/rotate", ``), `409 api_key_ended`)
}

// A request that makes, rotates, changes or revokes a key can be interrupted
// anywhere: the key then works as Postgres says. But a key does not work again
// after its revocation has begun.
func TestAPIKeyCrashes(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	projecting := func(_, body string) bool { return strings.Contains(body, "attribute_not_exists(revoked_at)") }
	broken := acme.Environment(projecting) // every process ends after its commit
	const body = `{"name":"x","permissions":["events:read"]}`

	user, key := broken.NewKey(body)
	there := user
	there.Harness = h
	there.Works("a new key that was not projected", true)
	if !strings.Contains(h.Lines.String(), "projecting_failed") {
		t.Error("the log does not say that projecting failed")
	}
	r := broken.Do("POST", "/v1/api-keys/"+key+"/rotate", `{"overlap_seconds":60}`)
	next := there
	next.Key = r.Get(t, "key")
	next.Works("a rotation's new key that was not projected", true)
	there.Works("the old key, in the overlap", true)
	h.Advance(t, 61*time.Second)
	there.Works("the old key, after it", false)

	path := "/v1/api-keys/" + r.Get(t, "id")
	apitest.Want(t, acme.Environment(func(_, body string) bool { return strings.Contains(body, "if_not_exists") }).Do("POST", path+"/revoke", ""), "503 unavailable")
	next.Works("a key that could not be denied", true)
	h.Exec(`ALTER TABLE api_key ADD CONSTRAINT crash CHECK (revoked_at IS NULL AND name <> 'crash') NOT VALID`)
	apitest.Want(t, acme.Do("PATCH", path, `{"name":"crash"}`), "500")
	next.Works("a key whose change was not committed", true)
	apitest.Want(t, acme.Do("POST", path+"/revoke", ""), "500")
	next.Works("a key whose revocation was not committed", false)
	apitest.Want(t, acme.Do("GET", path, ""), `200 "status":"revoked" "revoked_at":null`)
	h.Exec(`ALTER TABLE api_key DROP CONSTRAINT crash`)
	apitest.Want(t, acme.Do("POST", path+"/revoke", ""), `200 "status":"revoked" !"revoked_at":null`)
	next.Environment(apitest.Never).Works("after it was revoked again", false)
}

// A key that was revoked a moment ago, and is still cached, cannot make another
// key.
func TestRevokedKeyMakesNoOther(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	h.Limit(nil) // so that it stays cached
	acme := h.Organization("Acme")
	leaked, key := acme.NewKey(`{"name":"leaked","permissions":["events:read","api_keys:write"]}`)
	there := leaked.Environment(apitest.Never)
	there.Works("before", true)
	apitest.Want(t, acme.Do("POST", "/v1/api-keys/"+key+"/revoke", ""), "200")
	there.Works("cached", true)
	apitest.Want(t, there.Do("POST", "/v1/api-keys", `{"name":"x","permissions":["events:read"]}`), "401 api_key_invalid !ptc_0")
}

// While invalid keys come faster than they are looked up, a key that DynamoDB has
// lost gets a reply that asks to try again, not that the key is invalid. These
// replies are not counted as errors that roll a deployment back.
func TestJunkIsNotDecided(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for ctx.Err() == nil {
				if hash, err := apikey.Parse(apikey.Generate()); err == nil {
					_, _, _ = h.Keys.Caller(ctx, hash, apikey.Use{})
				}
			}
		})
	}
	var refused apitest.Reply
	testkit.Await(t, "a key that is not looked up", func() bool {
		refused = apitest.Caller{Harness: h, Key: apikey.Generate()}.Do("GET", "/v1/events", "")
		return refused.Status != http.StatusUnauthorized
	})
	stop()
	flood.Wait()
	apitest.Want(t, refused, "503 unavailable")
	if refused.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", refused.Header.Get("Retry-After"))
	}
	apitest.Want(t, acme.Do("GET", "/v1/events", ""), "200")
	if lines := h.Lines.String(); !strings.Contains(lines, `"KeysNotLookedUp":1`) || strings.Contains(lines, `"ServerErrors":1`) {
		t.Errorf("the log counts it in another way: %s", lines)
	}
}
