package audit_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

const (
	splunkStream  = `{"name":"Splunk","type":"splunk_hec","splunk_hec":{"url":"https://splunk.example.com:8088","token":"canary-token","index":"security"}}`
	datadogStream = `{"name":"Datadog","type":"datadog","datadog":{"site":"datadoghq.eu","api_key":"canary-key"}}`
)

// A stream is created, read, changed, paused, resumed and deleted.
func TestStreams(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	made := acme.Do("POST", "/v1/audit-streams", apitest.HTTPSStream)
	apitest.Want(t, made, `201 "secret":"whsec_ "type":"https" "https":{"url":"https://siem.example.com/portico"} "splunk_hec":null "datadog":null "status":"enabled" "categories":[]`)
	stream := made.Get(t, "id")
	path := "/v1/audit-streams/" + stream
	splunk := acme.Make("/v1/audit-streams", splunkStream)
	datadog := acme.Make("/v1/audit-streams", datadogStream)
	foreign := evil.Make("/v1/audit-streams", apitest.HTTPSStream)
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", "/v1/audit-streams", "", acme, `200 ` + stream + ` ` + splunk + ` ` + datadog + ` !` + foreign + ` !whsec_ !canary`},
		{"list by pages", "GET", "/v1/audit-streams?limit=1", "", acme, `200 ` + datadog + ` !` + splunk + ` "next":"`},
		{"get", "GET", path, "", acme, `200 "test":null "replay":null "reached":0 "last_error":null !secret`},
		{"get another organization's", "GET", "/v1/audit-streams/" + foreign, "", acme, `404 audit_stream_not_found`},
		{"get one of another noun", "GET", "/v1/audit-streams/we_01jdf3z9k2e4nv6xq8r0s1t2v3", "", acme, `422 path.id`},
		{"without permission", "GET", path, "", acme.With(auth.AuditLogRead), `403 audit_streams:read`},
		{"create without permission", "POST", "/v1/audit-streams", apitest.HTTPSStream, acme.With(auth.AuditStreamsRead), `403 audit_streams:write`},
		{"rename", "PATCH", path, `{"name":"Other"}`, acme, `200 "name":"Other" "status":"enabled"`},
		{"filter", "PATCH", path, `{"categories":["security","data"],"actions":["role.*","api_key.create"],"outcomes":["failure"]}`, acme, `200 "categories":["data","security"] "actions":["api_key.create","role.*"] "outcomes":["failure"]`},
		{"part of the filter", "PATCH", path, `{"actions":[]}`, acme, `200 "categories":["data","security"] "actions":[]`},
		{"pause", "PATCH", path, `{"status":"paused"}`, acme, `200 "status":"paused" "pause_reason":"requested" "paused_at":"2`},
		{"resume", "PATCH", path, `{"status":"enabled"}`, acme, `200 "status":"enabled" "pause_reason":null "paused_at":null`},
		{"another URL", "PATCH", path, `{"https":{"url":"https://other.example.com/"}}`, acme, `200 https://other.example.com/`},
		{"another token", "PATCH", "/v1/audit-streams/" + splunk, `{"splunk_hec":{"token":"canary-2"}}`, acme, `200 https://splunk.example.com:8088 "index":"security" !canary`},
		{"the same server", "PATCH", "/v1/audit-streams/" + splunk, `{"splunk_hec":{"url":"https://SPLUNK.example.com:8088/x"}}`, acme, `200 !canary`},
		{"another server without the token", "PATCH", "/v1/audit-streams/" + splunk, `{"splunk_hec":{"url":"https://evil.example.com"}}`, acme, `422 body.splunk_hec.token`},
		{"another server with a token", "PATCH", "/v1/audit-streams/" + splunk, `{"splunk_hec":{"url":"https://new.example.com","token":"canary-3"}}`, acme, `200 https://new.example.com`},
		{"another site without the key", "PATCH", "/v1/audit-streams/" + datadog, `{"datadog":{"site":"datadoghq.com"}}`, acme, `422 body.datadog.api_key`},
		{"another site", "PATCH", "/v1/audit-streams/" + datadog, `{"datadog":{"site":"datadoghq.com","api_key":"canary-4"}}`, acme, `200 "site":"datadoghq.com"`},
		{"settings of another type", "PATCH", path, `{"datadog":{"site":"datadoghq.com","api_key":"k"}}`, acme, `422 body.datadog`},
		{"rotate", "POST", path + "/rotate-secret", `{"overlap_seconds":0}`, acme, `200 "secret":"whsec_`},
		{"rotate without a signing secret", "POST", "/v1/audit-streams/" + splunk + "/rotate-secret", `{}`, acme, `409 audit_stream_not_signed`},
		{"test", "POST", path + "/test", "", acme, `202 "waiting":true "tested_at":null`},
		{"test another organization's", "POST", "/v1/audit-streams/" + foreign + "/test", "", acme, `404 audit_stream_not_found`},
		{"delete", "DELETE", "/v1/audit-streams/" + datadog, "", acme, `204 `},
		{"delete again", "DELETE", "/v1/audit-streams/" + datadog, "", acme, `404 audit_stream_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, tt.path, tt.body), tt.want) })
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=audit_stream.*", ""), `200 "secret":"[changed]" !canary !whsec_`)
	for _, secret := range []string{"canary", "whsec_"} {
		if n := testkit.Value[int](t, h.Database, `SELECT (SELECT count(*) FROM audit_stream s WHERE position($1 IN s::text) > 0) + (SELECT count(*) FROM audit_entry e WHERE position($1 IN e::text) > 0)`, secret); n != 0 {
			t.Errorf("%s is in %d rows in clear", secret, n)
		}
		if strings.Contains(h.Lines.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// What cannot be a stream is refused with the name of the field.
func TestInvalidStreams(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	long := strings.Repeat("x", 10_000)
	for _, tt := range []struct{ name, body, want string }{
		{"unknown type", `{"name":"a","type":"ftp"}`, `422 body.type`},
		{"no type", `{"name":"a"}`, `422 body.type`},
		{"no settings", `{"name":"a","type":"https"}`, `422 body.https`},
		{"settings of another type", `{"name":"a","type":"https","https":{"url":"https://example.com"},"datadog":{"site":"datadoghq.eu","api_key":"k"}}`, `422 body.datadog`},
		{"only settings of another type", `{"name":"a","type":"https","datadog":{"site":"datadoghq.eu","api_key":"k"}}`, `422 body.https body.datadog`},
		{"no URL", `{"name":"a","type":"https","https":{"url":"siem"}}`, `422 body.https.url`},
		{"http", `{"name":"a","type":"https","https":{"url":"http://example.com"}}`, `422 body.https.url`},
		{"a private address", `{"name":"a","type":"https","https":{"url":"https://10.0.0.1/"}}`, `422 body.https.url private`},
		{"a private address of Splunk", `{"name":"a","type":"splunk_hec","splunk_hec":{"url":"https://169.254.169.254","token":"t"}}`, `422 body.splunk_hec.url`},
		{"the address of a site", `{"name":"a","type":"datadog","datadog":{"site":"evil.example.com","api_key":"k"}}`, `422 body.datadog.site`},
		{"no token", `{"name":"a","type":"splunk_hec","splunk_hec":{"url":"https://example.com"}}`, `422 body.splunk_hec.token`},
		{"a token with a line end", `{"name":"a","type":"splunk_hec","splunk_hec":{"url":"https://example.com","token":"a\r\nX: y"}}`, `422 body.splunk_hec.token`},
		{"no site", `{"name":"a","type":"datadog","datadog":{"api_key":"k"}}`, `422 body.datadog.site`},
		{"a name of two lines", `{"name":"a\nb","type":"https","https":{"url":"https://example.com"}}`, `422 body.name`},
		{"a name that turns around", `{"name":"a\u202eb","type":"https","https":{"url":"https://example.com"}}`, `422 body.name`},
		{"an unknown category", `{"name":"a","type":"https","https":{"url":"https://example.com"},"categories":["all"]}`, `422 body.categories`},
		{"an unknown action", `{"name":"a","type":"https","https":{"url":"https://example.com"},"actions":["role.eat"]}`, `422 body.actions role.eat`},
		{"actions of an unknown noun", `{"name":"a","type":"https","https":{"url":"https://example.com"},"actions":["rol.*"]}`, `422 body.actions`},
		{"a long action", `{"name":"a","type":"https","https":{"url":"https://example.com"},"actions":["` + long + `.x"]}`, `422 body.actions`},
		{"many actions", `{"name":"a","type":"https","https":{"url":"https://example.com"},"actions":[` + strings.Repeat(`"role.update",`, 100) + `"role.*"]}`, `422 body.actions`},
		{"an unknown outcome", `{"name":"a","type":"https","https":{"url":"https://example.com"},"outcomes":["maybe"]}`, `422 body.outcomes`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do("POST", "/v1/audit-streams", tt.body), tt.want) })
	}
	for range 10 {
		acme.Make("/v1/audit-streams", apitest.HTTPSStream)
	}
	apitest.Want(t, acme.Do("POST", "/v1/audit-streams", apitest.HTTPSStream), `409 too_many_audit_streams`)
}

// A replay names a range of numbers or times that the stream has passed.
func TestReplay(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for range 3 {
		acme.NewEndpoint(`["a"]`)
	}
	sequence(t, h)
	path := "/v1/audit-streams/" + acme.Make("/v1/audit-streams", apitest.HTTPSStream) + "/replay"
	for _, tt := range []struct{ body, want string }{
		{`{"from":1}`, `202 "from":1,"to":4,"reached":0`},
		{`{"from":2,"to":3}`, `202 "from":2,"to":3,"reached":1`},
		{`{"since":"2020-01-01T00:00:00Z"}`, `202 "from":1,"to":4`},
		{`{"since":"2020-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`, `202 "from":1,"to":4`},
		{`{"since":"2020-01-01T00:00:00Z","until":"2020-01-02T00:00:00Z"}`, `409 nothing_to_replay`},
		{`{"since":"2100-01-01T00:00:00Z"}`, `409 nothing_to_replay`},
		{`{}`, `422 body.from`},
		{`{"from":0}`, `422 body.from`},
		{`{"from":5}`, `422 body.from`},
		{`{"from":9223372036854775807}`, `422 body.from`},
		{`{"from":3,"to":2}`, `422 body.from`},
		{`{"from":1,"since":"2020-01-01T00:00:00Z"}`, `422 body.since`},
		{`{"from":1,"to":2,"until":"2020-01-01T00:00:00Z"}`, `422 body.until`},
		{`{"since":"1969-01-01T00:00:00Z"}`, `422 body.since`},
		{`{"since":"2021-01-01T00:00:00Z","until":"2020-01-01T00:00:00Z"}`, `422 body.since`},
	} {
		t.Run(tt.body, func(t *testing.T) { apitest.Want(t, acme.Do("POST", path, tt.body), tt.want) })
	}
}
