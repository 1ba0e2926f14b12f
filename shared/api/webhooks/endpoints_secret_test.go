package api_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/testkit"
)

// One rotates the secrets of one's own endpoints and of nobody else's, and the
// overlap is between nothing and seven days.
func TestRotateSecret(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	own, _ := acme.newEndpoint(`["invoice.*"]`)
	foreign, _ := evil.newEndpoint(`["*"]`)
	deleted, _ := acme.newEndpoint(`["*"]`)
	want(t, acme.do("DELETE", "/v1/webhook-endpoints/"+deleted, ""), "204")
	reader := acme.with(auth.WebhookEndpointsRead)
	pair, _ := acme.newEndpoint(`["*"]`)
	want(t, acme.do("PATCH", "/v1/webhook-endpoints/"+pair, `{"signature_scheme":"standard_asymmetric"}`), "200 ")

	for _, tt := range []struct {
		name, endpoint, body string
		as                   caller
		want                 string
	}{
		{"own", own, `{}`, acme, `200 "id":"` + own + `" "event_types":["invoice.*"] "secret":"whsec_`},
		{"own, without a body", own, ``, acme, `200 "secret":"whsec_`},
		{"own, at once", own, `{"overlap_seconds":0}`, acme, `200 "secret":"whsec_`},
		{"own, with the longest overlap", own, `{"overlap_seconds":604800}`, acme, `200 "secret":"whsec_`},
		{"a longer overlap", own, `{"overlap_seconds":604801}`, acme, `422 body.overlap_seconds 604800`},
		{"a negative overlap", own, `{"overlap_seconds":-1}`, acme, `422 body.overlap_seconds`},
		{"half a second", own, `{"overlap_seconds":0.5}`, acme, `422 body.overlap_seconds`},
		{"an overlap in words", own, `{"overlap_seconds":"1"}`, acme, `422 body.overlap_seconds`},
		{"own, with an overlap of null", own, `{"overlap_seconds":null}`, acme, `200 "secret":"whsec_`},
		{"a secret of one's own", own, `{"secret":"whsec_mine"}`, acme, `422 body.secret`},
		{"one that signs with a key pair", pair, `{}`, acme, `200 "id":"` + pair + `" "public_key":"whpk_ "secret":null !whsec_`},
		{"missing", "we_01890000000000000000000000", `{}`, acme, `404 webhook_endpoint_not_found`},
		{"another organization's", foreign, `{}`, acme, `404 webhook_endpoint_not_found !whsec_`},
		{"deleted", deleted, `{}`, acme, `404 webhook_endpoint_not_found !whsec_`},
		{"without permission", own, `{}`, reader, `403 webhook_endpoints:write`},
		{"without a key", own, `{}`, caller{harness: h}, `401 api_key_missing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, tt.as.do("POST", "/v1/webhook-endpoints/"+tt.endpoint+"/rotate-secret", tt.body), tt.want)
		})
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_secret WHERE org_id = $1`, evil.org); n != 1 {
		t.Errorf("the other organization's endpoint has %d secrets, want the one it was made with", n)
	}
	if !strings.Contains(h.lines.String(), `"audit":"webhook_endpoint.rotate_secret"`) {
		t.Error("no log line names the audit action")
	}
}

// The old secret ends when the overlap does: after a day if nothing is said.
func TestOverlap(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	for body, want := range map[string]time.Duration{
		``: 24 * time.Hour, `{}`: 24 * time.Hour, `{"overlap_seconds":null}`: 24 * time.Hour, `{"overlap_seconds":0}`: 0, `{"overlap_seconds":90}`: 90 * time.Second,
	} {
		endpoint, _ := acme.newEndpoint(`["*"]`)
		made, err := id.Parse[id.WebhookEndpoint](endpoint)
		if err != nil {
			t.Fatal(err)
		}
		acme.do("POST", "/v1/webhook-endpoints/"+endpoint+"/rotate-secret", body)
		// The new secret is written in the transaction that ends the old one.
		left := testkit.Value[time.Duration](t, h.Database, `
			SELECT old.expires_at - new.created_at FROM webhook_secret old
			JOIN webhook_secret new ON new.endpoint_id = old.endpoint_id AND new.expires_at IS NULL
			WHERE old.expires_at IS NOT NULL AND old.endpoint_id = $1`, made)
		if off := left - want; off.Abs() > 5*time.Second {
			t.Errorf("%q: the old secret ends after %s, want %s", body, left, want)
		}
	}
}

// A new secret is shown by its rotation and by a repetition of that request,
// which does not rotate again; nothing else ever shows it, and no table and no
// log line holds it in clear.
func TestRotatedSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	endpoint, old := acme.newEndpoint(`["*"]`)
	path := "/v1/webhook-endpoints/" + endpoint
	first := acme.do("POST", path+"/rotate-secret", `{"overlap_seconds":60}`, "Idempotency-Key", "k1")
	secret := first.get(t, "secret")
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != len(old) || secret == old {
		t.Errorf("the new secret is %q", secret)
	}
	again := acme.do("POST", path+"/rotate-secret", `{"overlap_seconds":60}`, "Idempotency-Key", "k1")
	if again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay %v %s, want %s", again.header, again.body, first.body)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_secret`); n != 2 {
		t.Errorf("%d secrets after one rotation and its replay, want 2", n)
	}
	for _, r := range []reply{
		acme.do("GET", path, ""), acme.do("GET", "/v1/webhook-endpoints", ""), acme.do("PATCH", path, `{"description":"x"}`),
	} {
		want(t, r, "200 !whsec_")
	}
	if rows := rowsWith(t, h, secret); len(rows) != 0 || strings.Contains(h.lines.String(), secret) {
		t.Errorf("the new secret lies in clear in %v, or in the log", rows)
	}
}

// A rotated key pair's public half is in the reply and shown from then on; the
// JWKS lists the old one after it until the overlap ends. The private halves lie
// in no table and no log line in clear.
func TestRotatedKeyPair(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.StopClock(t)
	acme := h.org("Acme")
	made := acme.do("POST", "/v1/webhook-endpoints", plainEndpoint+`,"signature_scheme":"standard_asymmetric"}`)
	path := "/v1/webhook-endpoints/" + made.get(t, "id")
	keys := []string{made.get(t, "public_key")}
	for _, step := range []struct {
		name    string
		advance time.Duration
		body    string // of a rotation; empty: none
		listed  []int  // indexes of keys
	}{
		{"before any rotation", 0, ``, []int{0}},
		{"in the overlap", 0, `{"overlap_seconds":60}`, []int{1, 0}},
		{"after it", time.Minute, ``, []int{1}},
		{"with the default overlap", 0, `{}`, []int{2, 1}},
		{"just before it ends", 24*time.Hour - time.Microsecond, ``, []int{2, 1}},
		{"when it ends", time.Microsecond, ``, []int{2}},
		{"at once", 0, `{"overlap_seconds":0}`, []int{3}},
	} {
		h.Advance(t, step.advance)
		if step.body != "" {
			keys = append(keys, acme.do("POST", path+"/rotate-secret", step.body).get(t, "public_key"))
		}
		newest := keys[len(keys)-1]
		want(t, acme.do("GET", path, ""), `200 "public_key":"`+newest+`"`)
		var members []string
		for _, i := range step.listed {
			members = append(members, strings.NewReplacer("whpk_", "", "+", "-", "/", "_", "=", "").Replace(keys[i]))
		}
		if listed := coordinates(acme.do("GET", path+"/jwks", "").body); !slices.Equal(listed, members) {
			t.Errorf("%s: the JWKS lists %v, want %v", step.name, listed, members)
		}
	}
	for _, column := range []string{"sealed_key", "old_sealed_key"} {
		seed, err := h.edge.Box.Open(testkit.Value[[]byte](t, h.Database, `SELECT `+column+` FROM webhook_endpoint`),
			"webhook_signing_key/"+acme.org.String()+"/"+made.get(t, "id"))
		if err != nil || len(seed) != ed25519.SeedSize {
			t.Fatalf("%s: %d bytes, %v", column, len(seed), err)
		}
		// 30 bytes are the start of every longer key's base64 too.
		for _, form := range []string{hex.EncodeToString(seed), base64.StdEncoding.EncodeToString(seed[:30]), base64.URLEncoding.EncodeToString(seed[:30])} {
			if rows := rowsWith(t, h, form); len(rows) != 0 || strings.Contains(h.lines.String(), form) {
				t.Errorf("%s lies in clear in %v, or in the log", column, rows)
			}
		}
	}
}

// coordinates returns the x of each key of a JWKS.
func coordinates(jwks string) (list []string) {
	for _, found := range regexp.MustCompile(`"x":"([\w-]+)"`).FindAllStringSubmatch(jwks, -1) {
		list = append(list, found[1])
	}
	return list
}
