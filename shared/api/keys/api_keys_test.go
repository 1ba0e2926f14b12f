package keys_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// Every operation works on API keys of the caller's own organization; a key of
// another organization looks like one that does not exist.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	_, own := acme.NewKey(`{"name":"own","permissions":["events:read","events:write"]}`)
	_, foreign := evil.NewKey(`{"name":"foreign","permissions":["events:read"]}`)
	missing := "key_01890000000000000000000000"
	reader, nobody, anonymous := acme.With(auth.APIKeysRead), acme.With(auth.EventsRead), apitest.Caller{Harness: h}
	far := h.Clock.Now().Add(101 * 365 * 24 * time.Hour).Format(time.RFC3339)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", own, "", acme, `200 "id":"` + own + `" "name":"own" "status":"active" "key_start":"ptc_ "last_used_at":null "allowed_ips":[] !"key":`},
		{"get missing", "GET", missing, "", acme, `404 api_key_not_found`},
		{"get another organization's", "GET", foreign, "", acme, `404 api_key_not_found`},
		{"get with another noun's id", "GET", "we_01890000000000000000000000", "", acme, `422 path.id key_`},
		{"get without a key", "GET", own, "", anonymous, `401 api_key_missing`},
		{"get without permission", "GET", own, "", nobody, `403 api_keys:read`},
		{"list own", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` "name":"first" "next":null !"key":`},
		{"list without permission", "GET", "", "", nobody, `403 api_keys:read`},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"create without permission", "POST", "", `{"name":"x","permissions":["events:read"]}`, reader, `403 api_keys:write`},
		{"create without a name", "POST", "", `{"permissions":["events:read"]}`, acme, `422 name`},
		{"create with an empty name", "POST", "", `{"name":"","permissions":["events:read"]}`, acme, `422 body.name`},
		{"create with NUL in the name", "POST", "", `{"name":"a\u0000b","permissions":["events:read"]}`, acme, `422 body.name`},
		{"create without permissions", "POST", "", `{"name":"x","permissions":[]}`, acme, `422 body.permissions`},
		{"create with no such permission", "POST", "", `{"name":"x","permissions":["events:eat"]}`, acme, `422 body.permissions events:eat`},
		{"create with the permission public", "POST", "", `{"name":"x","permissions":["public"]}`, acme, `422 body.permissions`},
		{"create with an end that is past", "POST", "", `{"name":"x","permissions":["events:read"],"expires_at":"2020-01-01T00:00:00Z"}`, acme, `422 body.expires_at`},
		{"create with an end too far", "POST", "", `{"name":"x","permissions":["events:read"],"expires_at":"` + far + `"}`, acme, `422 body.expires_at`},
		{"create with an end in words", "POST", "", `{"name":"x","permissions":["events:read"],"expires_at":"tomorrow"}`, acme, `422 body.expires_at`},
		{"create for no network", "POST", "", `{"name":"x","permissions":["events:read"],"allowed_ips":["home"]}`, acme, `422 body.allowed_ips home`},
		{"create for half a network", "POST", "", `{"name":"x","permissions":["events:read"],"allowed_ips":["10.0.0.1/8"]}`, acme, `422 body.allowed_ips 10.0.0.0/8`},
		{"create with a key of one's own", "POST", "", `{"name":"x","permissions":["events:read"],"key":"ptc_mine"}`, acme, `422 body.key`},
		{"rename", "PATCH", own, `{"name":"billing"}`, acme, `200 "name":"billing" "events:read"`},
		{"update another organization's", "PATCH", foreign, `{"name":"x"}`, acme, `404 api_key_not_found`},
		{"update missing", "PATCH", missing, `{"name":"x"}`, acme, `404 api_key_not_found`},
		{"update without permission", "PATCH", own, `{"name":"x"}`, reader, `403 api_keys:write`},
		{"add a permission", "PATCH", own, `{"permissions":["events:read","deliveries:read"]}`, acme, `422 body.permissions deliveries:read`},
		{"end in the past", "PATCH", own, `{"expires_at":"2020-01-01T00:00:00Z"}`, acme, `422 body.expires_at`},
		{"bind to addresses", "PATCH", own, `{"allowed_ips":["192.0.2.0/24","::1"]}`, acme, `200 "allowed_ips":["192.0.2.0/24","::1"]`},
		{"free from addresses", "PATCH", own, `{"allowed_ips":[]}`, acme, `200 "allowed_ips":[]`},
		{"revive by hand", "PATCH", own, `{"revoked_at":null}`, acme, `422 body.revoked_at`},
		{"rotate another organization's", "POST", foreign + "/rotate", ``, acme, `404 api_key_not_found !ptc_`},
		{"rotate missing", "POST", missing + "/rotate", ``, acme, `404 api_key_not_found`},
		{"rotate without permission", "POST", own + "/rotate", ``, reader, `403 api_keys:write`},
		{"rotate with too long an overlap", "POST", own + "/rotate", `{"overlap_seconds":604801}`, acme, `422 body.overlap_seconds`},
		{"rotate", "POST", own + "/rotate", ``, acme, `201 "key":"ptc_ "name":"billing" "expires_at":null`},
		{"rotate again", "POST", own + "/rotate", ``, acme, `409 api_key_replaced !ptc_`},
		{"revoke another organization's", "POST", foreign + "/revoke", ``, acme, `404 api_key_not_found`},
		{"revoke missing", "POST", missing + "/revoke", ``, acme, `404 api_key_not_found`},
		{"revoke without permission", "POST", own + "/revoke", ``, reader, `403 api_keys:write`},
		{"revoke", "POST", own + "/revoke", ``, acme, `200 "status":"revoked"`},
		{"revoke again", "POST", own + "/revoke", ``, acme, `200 "status":"revoked"`},
		{"update revoked", "PATCH", own, `{"name":"x"}`, acme, `409 api_key_ended`},
		{"rotate revoked", "POST", own + "/rotate", ``, acme, `409 api_key_ended`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v1/api-keys"
			if tt.path != "" && tt.path[0] != '?' {
				path += "/"
			}
			apitest.Want(t, tt.as.Do(tt.method, path+tt.path, tt.body), tt.want)
		})
	}
	a, b := acme.Do("GET", "/v1/api-keys/"+missing, ""), acme.Do("GET", "/v1/api-keys/"+foreign, "")
	if a.Body != b.Body {
		t.Errorf("missing\n%s differs from another organization's\n%s", a.Body, b.Body)
	}
	apitest.Want(t, evil.Do("GET", "/v1/api-keys/"+foreign, ""), `200 "name":"foreign" "status":"active"`)
}

// A key cannot give another key or itself what it does not have: no key that it
// makes or changes can do more, lives longer or works from other addresses.
func TestAPIKeyGrants(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	soon := h.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	later := h.Clock.Now().Add(2 * time.Hour).Format(time.RFC3339)
	_, wide := acme.NewKey(`{"name":"wide","permissions":["events:read","events:write","api_keys:write"]}`)
	body := `"permissions":["api_keys:write","events:read"],"expires_at":"` + soon + `","allowed_ips":["192.0.2.0/24"]`
	narrow, self := acme.NewKey(`{"name":"narrow",` + body + `}`)
	within := func(permission, end, networks string) string {
		return fmt.Sprintf(`{"name":"x","permissions":[%q],"expires_at":%q,"allowed_ips":[%q]}`, permission, end, networks)
	}
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"create the same", "POST", "", `{"name":"same",` + body + `}`, `201`},
		{"create with less", "POST", "", within("events:read", soon, "192.0.2.1"), `201`},
		{"create with another permission", "POST", "", within("events:write", soon, "192.0.2.1"), `403 grant_exceeded events:write !ptc_`},
		{"create with a later end", "POST", "", within("events:read", later, "192.0.2.1"), `403 grant_exceeded expires_at !ptc_`},
		{"create without end", "POST", "", `{"name":"x","permissions":["events:read"],"allowed_ips":["192.0.2.1"]}`, `403 grant_exceeded expires_at !ptc_`},
		{"create for other addresses", "POST", "", within("events:read", soon, "192.0.0.0/16"), `403 grant_exceeded allowed_ips !ptc_`},
		{"create for all addresses", "POST", "", `{"name":"x","permissions":["events:read"],"expires_at":"` + soon + `"}`, `403 grant_exceeded allowed_ips !ptc_`},
		{"widen itself by a permission", "PATCH", self, `{"permissions":["api_keys:write","events:read","events:write"]}`, `422 body.permissions events:write`},
		{"lengthen its own life", "PATCH", self, `{"expires_at":"` + later + `"}`, `403 grant_exceeded`},
		{"free itself from its addresses", "PATCH", self, `{"allowed_ips":[]}`, `403 grant_exceeded`},
		{"change a wider key", "PATCH", wide, `{"name":"mine"}`, `403 grant_exceeded events:write`},
		{"narrow a wider key to its own size", "PATCH", wide, within("events:read", soon, "192.0.2.1"), `403 grant_exceeded`},
		{"rotate a wider key", "POST", wide + "/rotate", ``, `403 grant_exceeded events:write !ptc_`},
		{"narrow itself", "PATCH", self, `{"allowed_ips":["192.0.2.1"]}`, `200 "allowed_ips":["192.0.2.1"]`},
		{"and not back", "PATCH", self, `{"allowed_ips":["192.0.2.0/24"]}`, `403 grant_exceeded`},
		{"revoke a wider key", "POST", wide + "/revoke", ``, `200 "status":"revoked"`},
		{"revoke itself", "POST", self + "/revoke", ``, `200 "status":"revoked"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := strings.TrimSuffix("/v1/api-keys/"+tt.path, "/")
			apitest.Want(t, narrow.Do(tt.method, path, tt.body), tt.want)
		})
	}
	apitest.Want(t, narrow.Do("GET", "/v1/events", ""), "401 api_key_invalid")
}

// A key is shown only in the replies to its creation, its rotation, and
// repetitions of these. It is in no table and no log line.
func TestAPIKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	const body = `{"name":"x","permissions":["events:read"]}`
	first := acme.Do("POST", "/v1/api-keys", body, "Idempotency-Key", "k1")
	key, plain := first.Get(t, "id"), first.Get(t, "key")
	if again := acme.Do("POST", "/v1/api-keys", body, "Idempotency-Key", "k1"); again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay %v %s, want %s", again.Header, again.Body, first.Body)
	}
	if start := first.Get(t, "key_start"); start != plain[:8] {
		t.Errorf("key_start %s of %s", start, plain)
	}
	rotated := acme.Do("POST", "/v1/api-keys/"+key+"/rotate", "")
	for _, plain := range []string{plain, rotated.Get(t, "key")} {
		if rows := apitest.RowsWith(t, h, plain); len(rows) != 0 || strings.Contains(h.Lines.String(), plain) {
			t.Errorf("a key is in plain text in %v, or in the log", rows)
		}
		for _, r := range []apitest.Reply{acme.Do("GET", "/v1/api-keys", ""), acme.Do("GET", "/v1/api-keys/"+key, ""), acme.Do("PATCH", "/v1/api-keys/"+rotated.Get(t, "id"), `{"name":"y"}`)} {
			apitest.Want(t, r, "200 !"+plain)
		}
	}
	for _, action := range []string{"create", "rotate", "update"} {
		if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE action = 'api_key.' || $1`, action); n == 0 {
			t.Errorf("no audit entry says api_key.%s", action)
		}
	}
}

// Each page continues after the previous one, and says when each key was last
// used.
func TestListAPIKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	var made []string
	for i := range 4 {
		user, key := acme.NewKey(fmt.Sprintf(`{"name":"key %d","permissions":["events:read"]}`, i))
		made = append(made, key)
		if i%2 == 0 {
			apitest.Want(t, user.Do("GET", "/v1/events", ""), "200")
		}
	}
	var list struct {
		Data []struct {
			ID         string     `json:"id"`
			LastUsedAt *time.Time `json:"last_used_at"`
		}
		Next *string
	}
	var seen []string
	for after := ""; ; after = "&after=" + *list.Next {
		list.Next = nil
		if err := json.Unmarshal([]byte(acme.Do("GET", "/v1/api-keys?limit=2"+after, "").Body), &list); err != nil {
			t.Fatal(err)
		}
		for _, k := range list.Data {
			seen = append([]string{k.ID}, seen...)
			i := slices.Index(made, k.ID)
			if used := k.LastUsedAt != nil; i >= 0 && used != (i%2 == 0) {
				t.Errorf("key %d was last used %v", i, k.LastUsedAt)
			}
		}
		if list.Next == nil {
			break
		}
	}
	if len(seen) != 5 || !slices.Equal(seen[1:], made) { // the first is the organization's first
		t.Errorf("listed %v, want %v", seen, made)
	}
}
