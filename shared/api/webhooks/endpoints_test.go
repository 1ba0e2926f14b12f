package webhooks_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// Every operation works on the caller's own endpoints; another organization's
// endpoint looks exactly like one that does not exist.
func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, _ := acme.NewEndpoint(`["invoice.*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	missing := "we_01890000000000000000000000"
	reader, nobody := acme.With(auth.WebhookEndpointsRead), acme.With(auth.EventsRead)
	anonymous := apitest.Caller{Harness: h}

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", own, "", acme, `200 "id":"` + own + `" "event_types":["invoice.*"] "status":"enabled" !secret !whsec_`},
		{"get missing", "GET", missing, "", acme, `404 webhook_endpoint_not_found`},
		{"get another organization's", "GET", foreign, "", acme, `404 webhook_endpoint_not_found`},
		{"get with a malformed id", "GET", "we_1", "", acme, `422 path.id`},
		{"get with another noun's id", "GET", "evt_01890000000000000000000000", "", acme, `422 path.id we_`},
		{"get without a key", "GET", own, "", anonymous, `401 api_key_missing`},
		{"get without permission", "GET", own, "", nobody, `403 permission_missing webhook_endpoints:read`},
		{"list own", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` "next":null !whsec_`},
		{"list with a wrong limit", "GET", "?limit=0", "", acme, `422 query.limit`},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"list with an unknown parameter", "GET", "?page=2", "", acme, `422 query.page`},
		{"list without permission", "GET", "", "", nobody, `403 permission_missing`},
		{"create without permission", "POST", "", `{"url":"https://example.com/","event_types":["*"]}`, reader, `403 webhook_endpoints:write`},
		{"create without a URL", "POST", "", `{"event_types":["*"]}`, acme, `422 url`},
		{"create with http", "POST", "", `{"url":"http://example.com/","event_types":["*"]}`, acme, `422 body.url https`},
		{"create to a private address", "POST", "", `{"url":"https://10.0.0.1/","event_types":["*"]}`, acme, `422 body.url private`},
		{"create without types", "POST", "", `{"url":"https://example.com/","event_types":[]}`, acme, `422 body.event_types`},
		{"create with a malformed type", "POST", "", `{"url":"https://example.com/","event_types":["*.paid"]}`, acme, `422 body.event_types`},
		{"create with null types", "POST", "", `{"url":"https://example.com/","event_types":null}`, acme, `422 body.event_types`},
		{"create with an unknown field", "POST", "", `{"url":"https://example.com/","event_types":["*"],"secret":"mine"}`, acme, `422 body.secret`},
		{"create with a field in other case", "POST", "", `{"URL":"https://example.com/","event_types":["*"]}`, acme, `422 body.URL`},
		{"create with a field twice", "POST", "", `{"url":"https://a.example/","url":"https://b.example/","event_types":["*"]}`, acme, `400 twice`},
		{"create with NUL in the description", "POST", "", `{"url":"https://example.com/","event_types":["*"],"description":"a\u0000b"}`, acme, `422 body.description`},
		{"create with no JSON", "POST", "", `url=https://example.com`, acme, `400 malformed_request`},
		{"create with a list", "POST", "", `[]`, acme, `422 body`},
		{"update own", "PATCH", own, `{"description":"invoices"}`, acme, `200 "description":"invoices" "event_types":["invoice.*"] !whsec_`},
		{"update another organization's", "PATCH", foreign, `{"url":"https://evil.example/"}`, acme, `404 webhook_endpoint_not_found`},
		{"update missing", "PATCH", missing, `{"url":"https://evil.example/"}`, acme, `404 webhook_endpoint_not_found`},
		{"update with a private URL", "PATCH", own, `{"url":"https://[::1]/"}`, acme, `422 body.url`},
		{"update with no types", "PATCH", own, `{"event_types":[]}`, acme, `422 body.event_types`},
		{"update without permission", "PATCH", own, `{"description":"x"}`, reader, `403 permission_missing`},
		{"delete another organization's", "DELETE", foreign, "", acme, `404 webhook_endpoint_not_found`},
		{"delete without permission", "DELETE", own, "", reader, `403 permission_missing`},
		{"delete own", "DELETE", own, "", acme, `204`},
		{"delete again", "DELETE", own, "", acme, `404 webhook_endpoint_not_found`},
		{"get deleted", "GET", own, "", acme, `404 webhook_endpoint_not_found`},
		{"list after deletion", "GET", "", "", acme, `200 !` + own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v1/webhook-endpoints"
			if tt.path != "" && tt.path[0] != '?' {
				path += "/"
			}
			apitest.Want(t, tt.as.Do(tt.method, path+tt.path, tt.body), tt.want)
		})
	}
	a, b := acme.Do("GET", "/v1/webhook-endpoints/"+missing, ""), acme.Do("GET", "/v1/webhook-endpoints/"+foreign, "")
	if a.Body != b.Body {
		t.Errorf("missing\n%s differs from another organization's\n%s", a.Body, b.Body)
	}
	if r := evil.Do("GET", "/v1/webhook-endpoints/"+foreign, ""); !strings.Contains(r.Body, `"url":"https://example.com/hook"`) {
		t.Errorf("the other organization's endpoint was changed: %s", r.Body)
	}
}

// The secret is shown once, has the promised form, and is in no table and no log
// line in plain text.
func TestSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	first := acme.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"]}`, "Idempotency-Key", "k1")
	secret := first.Get(t, "secret")
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != len("whsec_")+44 {
		t.Errorf("secret %q does not consist of whsec_ and the base64 of 32 bytes", secret)
	}
	if again := acme.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"]}`, "Idempotency-Key", "k1"); again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay %v %s, want %s", again.Header, again.Body, first.Body)
	}
	found := testkit.Value[int](t, h.Database, `
		SELECT (SELECT count(*) FROM webhook_secret s WHERE position(convert_to($1, 'UTF8') IN s.sealed) > 0 OR s::text LIKE '%'||$1||'%')
		     + (SELECT count(*) FROM idempotency_key i WHERE position(convert_to($1, 'UTF8') IN i.reply) > 0 OR i::text LIKE '%'||$1||'%')
		     + (SELECT count(*) FROM webhook_endpoint e WHERE e::text LIKE '%'||$1||'%')`, secret)
	if found != 0 || strings.Contains(h.Lines.String(), secret) || strings.Contains(h.Lines.String(), acme.Key) {
		t.Errorf("a secret is in %d rows, or in the log", found)
	}
}
