package audit_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// The audit log shows the entries that its filters select, only to callers with
// the permission, and only those of their own organization.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	one, _ := acme.NewEndpoint(`["a"]`)
	two, _ := acme.NewEndpoint(`["a"]`)
	foreign, _ := evil.NewEndpoint(`["a"]`)
	h.Advance(t, time.Hour)
	hourLater := h.Clock.Now().Format(time.RFC3339Nano)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+one, `{"description":"x"}`), "200 ")
	h.Advance(t, time.Hour)
	other := acme.With(auth.WebhookEndpointsWrite)
	apitest.Want(t, other.Do("DELETE", "/v1/webhook-endpoints/"+one, ""), "204")
	deleted := acme.Do("GET", "/v1/audit-log?limit=1", "")
	var list struct {
		Data []struct{ Actor struct{ ID string } }
	}
	deleted.Decode(t, &list)
	byOther := list.Data[0].Actor.ID

	for _, tt := range []struct {
		name, query string
		as          apitest.Caller
		want        string
	}{
		{"all", "", acme, `200 "organization.create" "webhook_endpoint.create" "webhook_endpoint.update" "webhook_endpoint.delete" ` + one + ` ` + two + ` !` + foreign + ` "next":null`},
		{"the newest", "?limit=1&action=webhook_endpoint.*", acme, `200 "webhook_endpoint.delete" !"webhook_endpoint.update" !"next":null "name":"narrow" "after":null`},
		{"of an action", "?action=webhook_endpoint.update", acme, `200 "webhook_endpoint.update" !"webhook_endpoint.create" !"organization.create"`},
		{"of a noun", "?action=webhook_endpoint.*", acme, `200 "webhook_endpoint.update" "webhook_endpoint.create" !"organization.create"`},
		{"of a noun that only begins so", "?action=webhook.*", acme, `200 "data":[]`},
		{"of a malformed action", "?action=webhook_endpoint", acme, `422 query.action`},
		{"of every action", "?action=*", acme, `422 query.action`},
		{"of an actor", "?actor_id=" + byOther, acme, `200 "webhook_endpoint.delete" !"webhook_endpoint.create"`},
		{"of a category", "?category=security", acme, `200 "organization.create" "category":"security" !webhook_endpoint`},
		{"of an unknown category", "?category=money", acme, `422 query.category`},
		{"of an outcome", "?outcome=failure", acme, `200 "data":[]`},
		{"of an unknown outcome", "?outcome=maybe", acme, `422 query.outcome`},
		{"of a request", "?request_id=" + url.QueryEscape(deleted.Get(t, "data.0.request_id")), acme, `200 "webhook_endpoint.delete" !"organization.create"`},
		{"of another request", "?request_id=none", acme, `200 "data":[]`},
		{"of a request with NUL", "?request_id=%00", acme, `422 query.request_id`},
		{"of the bootstrap", "?actor_id=bootstrap", acme, `200 "organization.create" !webhook_endpoint`},
		{"of a target", "?target_id=" + one, acme, `200 "webhook_endpoint.delete" "webhook_endpoint.update" "webhook_endpoint.create" !` + two},
		{"of a target and an action", "?target_id=" + one + "&action=webhook_endpoint.create", acme, `200 "webhook_endpoint.create" !"webhook_endpoint.delete"`},
		{"with a word", "?q=NARROW", acme, `200 "webhook_endpoint.delete" !"webhook_endpoint.create"`},
		{"with words of different places", "?q=" + url.QueryEscape("narr webhook_endpoint.delete "+one), acme, `200 "webhook_endpoint.delete" !"webhook_endpoint.create"`},
		{"with a word of before and after", "?q=" + url.QueryEscape(`example.com/hook`), acme, `200 "webhook_endpoint.create" !"webhook_endpoint.update"`},
		{"with a word that is in none", "?q=narrow+nowhere", acme, `200 "data":[] "next":null`},
		{"with a word like a pattern", "?q=" + url.QueryEscape("%"), acme, `200 "data":[]`},
		{"with an escaped word", "?q=" + url.QueryEscape(`\`), acme, `200 "data":[]`},
		{"with a quote", "?q=" + url.QueryEscape(`"`), acme, `200 "data":[]`},
		{"with spaces only", "?limit=100&q=+++", acme, `200 "webhook_endpoint.create"`},
		{"with NUL", "?q=%00", acme, `422 query.q`},
		{"with invalid UTF-8", "?q=%ff", acme, `422 query.q`},
		{"with 10,000 characters", "?q=" + strings.Repeat("a", 10_000), acme, `422 query.q`},
		{"of an actor with 10,000 characters", "?actor_id=" + strings.Repeat("a", 10_000), acme, `422 query.actor_id`},
		{"the wrong way", "?since=" + hourLater + "&until=2020-01-01T00:00:00Z", acme, `422 query.since`},
		{"since", "?limit=100&since=" + hourLater, acme, `200 "webhook_endpoint.update" "webhook_endpoint.delete" !"webhook_endpoint.create"`},
		{"until", "?until=" + hourLater, acme, `200 "webhook_endpoint.create" !"webhook_endpoint.update"`},
		{"in no time", "?since=" + hourLater + "&until=" + hourLater, acme, `200 "data":[]`},
		{"since the end of time", "?since=9999-12-31T23:59:59Z", acme, `200 "data":[]`},
		{"since before there were ids", "?since=1969-12-31T23:59:59Z", acme, `422 query.since 1970`},
		{"since a word", "?since=yesterday", acme, `422 query.since`},
		{"of a target with NUL", "?target_id=%00", acme, `422 query.target_id`},
		{"of another organization's target", "?target_id=" + foreign, acme, `200 "data":[]`},
		{"another organization's own", "", evil, `200 ` + foreign + ` !` + one},
		{"with a forged cursor", "?after=AAAA", acme, `422 query.after`},
		{"without permission", "", acme.With(auth.EventsRead), `403 audit_log:read`},
		{"without a key", "", apitest.Caller{Harness: h}, `401 api_key_missing`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/audit-log"+tt.query, ""), tt.want) })
	}
	next := acme.Do("GET", "/v1/audit-log?limit=1", "").Get(t, "next")
	apitest.Want(t, evil.Do("GET", "/v1/audit-log?after="+next, ""), "422 query.after")
}

// Over all pages the list shows every entry once, with any filter.
func TestAuditLogPages(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	endpoint, _ := acme.NewEndpoint(`["a"]`)
	for _, text := range []string{"b", "c", "d", "e"} {
		apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+endpoint, `{"description":"`+text+`"}`), "200 ")
	}
	for _, filter := range []string{"", "&action=webhook_endpoint.*", "&target_id=" + endpoint, "&since=2020-01-01T00:00:00Z"} {
		seen, after := 0, ""
		want := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE org_id = $2 AND ($1 = '' OR $1 LIKE '&since%' OR noun = 'webhook_endpoint')`, filter, acme.Org)
		for {
			r := acme.Do("GET", "/v1/audit-log?limit=2"+filter+after, "")
			seen += strings.Count(r.Body, `"id":"aud_`)
			if r.Get(t, "next") == "null" {
				break
			}
			after = "&after=" + r.Get(t, "next")
		}
		if seen != want {
			t.Errorf("%q: %d entries over all pages, want %d", filter, seen, want)
		}
	}
}

// An entry says that a secret field has changed, but not its value. It shows
// every other field.
func TestAuditLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	chain, key := testkit.NewAuthority(t).Issue(testkit.ECDSA(t), time.Now().AddDate(1, 0, 0))
	secrets := `"custom_headers":{"X-Token":"s3cret-canary"},` + apitest.ClientCertificate(chain, key)
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+","+secrets+"}")
	path := "/v1/webhook-endpoints/" + made.Get(t, "id")
	patched := acme.Do("PATCH", path, `{`+secrets+`}`)
	apitest.Want(t, patched, "200 ")
	rotated := acme.Do("POST", path+"/rotate-secret", `{}`)
	apitest.Want(t, acme.Do("PATCH", path, `{"signature_scheme":"standard_asymmetric"}`), "200 ")
	apitest.Want(t, acme.Do("POST", path+"/rotate-secret", `{}`), "200 ")
	log := acme.Do("GET", "/v1/audit-log?target_id="+made.Get(t, "id"), "")
	apitest.Want(t, log, `200 "X-Token" "custom_header_values":"[changed]" "client_certificate_key":"[changed]" "secret":"[changed]" "key_pair":"[changed]" "overlap_seconds":86400 !whsec_ !s3cret !PRIVATE`)
	for _, canary := range []string{
		made.Get(t, "secret"), rotated.Get(t, "secret"), "whsec_", "s3cret-canary", "PRIVATE KEY",
		strings.Split(key, "\n")[1], acme.Key, "ptc_",
	} {
		if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry e WHERE position($1 IN e::text) > 0`, canary); n != 0 {
			t.Errorf("%.20s… is in %d audit entries", canary, n)
		}
	}
}
