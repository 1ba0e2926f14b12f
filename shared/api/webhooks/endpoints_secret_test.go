package webhooks_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/testkit"
)

// A caller rotates the secrets of its own endpoints, and of no other
// organization's. The overlap is between nothing and seven days.
func TestRotateSecret(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, _ := acme.NewEndpoint(`["invoice.*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	deleted, _ := acme.NewEndpoint(`["*"]`)
	apitest.Want(t, acme.Do("DELETE", "/v1/webhook-endpoints/"+deleted, ""), "204")
	reader := acme.With(auth.WebhookEndpointsRead)
	pair, _ := acme.NewEndpoint(`["*"]`)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+pair, `{"signature_scheme":"standard_asymmetric"}`), "200 ")

	for _, tt := range []struct {
		name, endpoint, body string
		as                   apitest.Caller
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
		{"without a key", own, `{}`, apitest.Caller{Harness: h}, `401 api_key_missing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do("POST", "/v1/webhook-endpoints/"+tt.endpoint+"/rotate-secret", tt.body), tt.want)
		})
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_secret WHERE org_id = $1`, evil.Org); n != 1 {
		t.Errorf("the other organization's endpoint has %d secrets, want the one it was made with", n)
	}
	if !strings.Contains(h.Lines.String(), `"audit":"webhook_endpoint.rotate_secret"`) {
		t.Error("no log line names the audit action")
	}
}

// The old secret ends after the overlap, which is a day by default.
func TestOverlap(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for body, want := range map[string]time.Duration{
		``: 24 * time.Hour, `{}`: 24 * time.Hour, `{"overlap_seconds":null}`: 24 * time.Hour, `{"overlap_seconds":0}`: 0, `{"overlap_seconds":90}`: 90 * time.Second,
	} {
		endpoint, _ := acme.NewEndpoint(`["*"]`)
		made, err := id.Parse[id.WebhookEndpoint](endpoint)
		if err != nil {
			t.Fatal(err)
		}
		acme.Do("POST", "/v1/webhook-endpoints/"+endpoint+"/rotate-secret", body)
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

// A new secret is shown in the reply to its rotation and to a repetition of that
// request, which does not rotate again. It is in no other reply, and in no table
// and no log line in plain text.
func TestRotatedSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	endpoint, old := acme.NewEndpoint(`["*"]`)
	path := "/v1/webhook-endpoints/" + endpoint
	first := acme.Do("POST", path+"/rotate-secret", `{"overlap_seconds":60}`, "Idempotency-Key", "k1")
	secret := first.Get(t, "secret")
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != len(old) || secret == old {
		t.Errorf("the new secret is %q", secret)
	}
	again := acme.Do("POST", path+"/rotate-secret", `{"overlap_seconds":60}`, "Idempotency-Key", "k1")
	if again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay %v %s, want %s", again.Header, again.Body, first.Body)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_secret`); n != 2 {
		t.Errorf("%d secrets after one rotation and its replay, want 2", n)
	}
	for _, r := range []apitest.Reply{
		acme.Do("GET", path, ""), acme.Do("GET", "/v1/webhook-endpoints", ""), acme.Do("PATCH", path, `{"description":"x"}`),
	} {
		apitest.Want(t, r, "200 !whsec_")
	}
	if rows := apitest.RowsWith(t, h, secret); len(rows) != 0 || strings.Contains(h.Lines.String(), secret) {
		t.Errorf("the new secret is in plain text in %v, or in the log", rows)
	}
}

// After the rotation of a key pair the reply shows the new public key, and so
// does every later one. The JWKS also lists the old one, after the new, until the
// overlap ends. The private keys are in no table and no log line in plain text.
func TestRotatedKeyPair(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	h.StopClock(t)
	acme := h.Organization("Acme")
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`,"signature_scheme":"standard_asymmetric"}`)
	path := "/v1/webhook-endpoints/" + made.Get(t, "id")
	keys := []string{made.Get(t, "public_key")}
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
			keys = append(keys, acme.Do("POST", path+"/rotate-secret", step.body).Get(t, "public_key"))
		}
		newest := keys[len(keys)-1]
		apitest.Want(t, acme.Do("GET", path, ""), `200 "public_key":"`+newest+`"`)
		var members []string
		for _, i := range step.listed {
			members = append(members, strings.NewReplacer("whpk_", "", "+", "-", "/", "_", "=", "").Replace(keys[i]))
		}
		if listed := coordinates(acme.Do("GET", path+"/jwks", "").Body); !slices.Equal(listed, members) {
			t.Errorf("%s: the JWKS lists %v, want %v", step.name, listed, members)
		}
	}
	for _, column := range []string{"sealed_key", "old_sealed_key"} {
		seed, err := h.Server.Box.Open(testkit.Value[[]byte](t, h.Database, `SELECT `+column+` FROM webhook_endpoint`),
			"webhook_signing_key/"+acme.Org.String()+"/"+made.Get(t, "id"))
		if err != nil || len(seed) != ed25519.SeedSize {
			t.Fatalf("%s: %d bytes, %v", column, len(seed), err)
		}
		// The base64 of the first 30 bytes is also the start of the base64 of the
		// whole key.
		for _, form := range []string{hex.EncodeToString(seed), base64.StdEncoding.EncodeToString(seed[:30]), base64.URLEncoding.EncodeToString(seed[:30])} {
			if rows := apitest.RowsWith(t, h, form); len(rows) != 0 || strings.Contains(h.Lines.String(), form) {
				t.Errorf("%s is in plain text in %v, or in the log", column, rows)
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
