package webhooks_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// many returns a JSON object of n members.
func many(n int, name, value string) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"%s%d":"%s"`, name, i, value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// Invalid options are refused on creation and on change. The reply names the
// field, and never shows the value of a header.
func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	own, _ := acme.NewEndpoint(`["*"]`)
	long := strings.Repeat("a", 2000)
	header := func(name, value string) string { return `"custom_headers":{"` + name + `":"` + value + `"}` }
	tests := []struct{ name, options, want string }{
		{"an unknown policy", `"retry_policy":"never"`, `body.retry_policy`},
		{"a custom policy without a schedule", `"retry_policy":"custom"`, `body.retry_schedule custom`},
		{"an empty schedule", `"retry_policy":"custom","retry_schedule":[]`, `body.retry_schedule`},
		{"a schedule of 21 waits", `"retry_policy":"custom","retry_schedule":[1` + strings.Repeat(",1", 20) + `]`, `body.retry_schedule`},
		{"a wait of 0", `"retry_policy":"custom","retry_schedule":[5,0]`, `body.retry_schedule[1]`},
		{"a wait above 48 h", `"retry_policy":"custom","retry_schedule":[172801]`, `body.retry_schedule[0] 172800`},
		{"a wait of half a second", `"retry_policy":"custom","retry_schedule":[0.5]`, `body.retry_schedule[0]`},
		{"a schedule with another policy", `"retry_policy":"fast","retry_schedule":[5]`, `body.retry_schedule`},
		{"a schedule without a policy", `"retry_schedule":[5]`, `body.retry_schedule`},
		{"an empty schedule with another policy", `"retry_policy":"fast","retry_schedule":[]`, `body.retry_schedule`},
		{"a timeout of 0", `"timeout_seconds":0`, `body.timeout_seconds`},
		{"a timeout of 31", `"timeout_seconds":31`, `body.timeout_seconds`},
		{"a timeout of 1.5", `"timeout_seconds":1.5`, `body.timeout_seconds`},
		{"21 headers", `"custom_headers":` + many(21, "X-", "1"), `body.custom_headers`},
		{"headers as a list", `"custom_headers":["X-A"]`, `body.custom_headers`},
		{"a header without a name", header("", "s3cret"), `body.custom_headers`},
		{"a header with a space in its name", header("X A", "s3cret"), `body.custom_headers.X`},
		{"a header with a colon in its name", header("X-A:", "s3cret"), `body.custom_headers.X-A:`},
		{"a header with a name of 65", header(long[:65], "s3cret"), `body.custom_headers.` + long[:65]},
		{"a header twice", `"custom_headers":{"X-A":"s3cret","x-a":"2"}`, `body.custom_headers.x-a`},
		{"a header with _ and with -", `"custom_headers":{"X-A":"s3cret","x_a":"2"}`, `body.custom_headers.x_a`},
		{"a header that is a number", `"custom_headers":{"X-A":1}`, `body.custom_headers.X-A`},
		{"a line break in a header", header("X-A", `s3cret\r\nHost: evil`), `body.custom_headers.X-A`},
		{"a NUL in a header", header("X-A", `s3cret\u0000`), `body.custom_headers.X-A`},
		{"an umlaut in a header", header("X-A", `s3cretü`), `body.custom_headers.X-A`},
		{"a header of 1,025", header("X-A", "s3cret"+long[:1019]), `body.custom_headers.X-A`},
		{"51 entries of metadata", `"metadata":` + many(51, "k", "v"), `body.metadata`},
		{"a number as metadata", `"metadata":{"plan":1}`, `body.metadata.plan`},
		{"an object as metadata named data", `"metadata":{"data":{}}`, `body.metadata.data`},
		{"an empty key", `"metadata":{"":"v"}`, `body.metadata`},
		{"a key of 65", `"metadata":{"` + long[:65] + `":"v"}`, `body.metadata`},
		{"a NUL in a key", `"metadata":{"a\u0000":"v"}`, `body.metadata`},
		{"a value of 513", `"metadata":{"plan":"` + long[:513] + `"}`, `body.metadata.plan`},
		{"a NUL in a value", `"metadata":{"plan":"a\u0000"}`, `body.metadata.plan`},
		{"a filter of 1,025", `"filter":"data == 1` + strings.Repeat(" ", 1016) + `"`, `body.filter 1024`},
		{"a filter with a NUL", `"filter":"data == '\u0000'"`, `body.filter U+0000`},
		{"a filter that is cut off", `"filter":"data.total >"`, `body.filter (line 1, column 12)`},
		{"a filter that is a number", `"filter":"1"`, `body.filter`},
		{"a filter with loops in loops", `"filter":"any(data, any(#, # == 1))"`, `body.filter nested`},
		{"a filter with an unknown function", `"filter":"now() == data"`, `body.filter now`},
		{"a negative rate limit", `"rate_limit":-1`, `body.rate_limit`},
		{"a rate limit above 10,000", `"rate_limit":10001`, `body.rate_limit`},
		{"ordering that is a word", `"ordered":"yes"`, `body.ordered`},
		{"an unknown exhaustion policy", `"exhaustion_policy":"stop"`, `body.exhaustion_policy`},
		{"an unknown scheme", `"signature_scheme":"rsa"`, `body.signature_scheme`},
	}
	for _, name := range []string{
		"Content-Type", "content-length", "Content-Encoding", "Transfer-Encoding", "HOST", "Connection", "Keep-Alive", "Upgrade",
		"TE", "Trailer", "Expect", "User-Agent", "Date", "Accept-Encoding", "Cookie", "Proxy-Authorization", "Webhook-Id",
		"webhook-anything", "Sec-Fetch-Mode", "Content_Length", "content_type", "Transfer_Encoding", "Webhook_Id", "Proxy_Authorization",
	} {
		tests = append(tests, struct{ name, options, want string }{"the reserved header " + name, header(name, "s3cret"), `"body.custom_headers.` + name + `"`})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+","+tt.options+`}`), `422 `+tt.want+` !s3cret`)
			apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+own, `{`+tt.options+`}`), `422 `+tt.want+` !s3cret`)
		})
	}
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+own, ""), `200 "retry_policy":"default" "timeout_seconds":10 "custom_headers":{} "metadata":{} "signature_scheme":"portico"`)
}

// Options are shown as they were set, from the creation on; a change replaces
// only the options that it names.
func TestOptions(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	long := strings.Repeat("é", 512)
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`,"retry_policy":"custom","retry_schedule":[1,172800],"timeout_seconds":30,
		"custom_headers":{"Authorization":"Bearer s3cret","X-Empty":""},"metadata":{"data":"`+long+`"},"signature_scheme":"standard"}`)
	shown := `"retry_policy":"custom" "retry_schedule":[1,172800] "timeout_seconds":30 "custom_headers":{"Authorization":"***","X-Empty":"***"} "metadata":{"data":"` + long + `"} "signature_scheme":"standard" "public_key":null !s3cret`
	apitest.Want(t, made, `201 `+shown)
	own := "/v1/webhook-endpoints/" + made.Get(t, "id")
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"get", "GET", own, "", `200 ` + shown},
		{"list", "GET", "/v1/webhook-endpoints", "", `200 ` + shown},
		{"change something else", "PATCH", own, `{"description":"x"}`, `200 ` + shown},
		{"null is as if left out", "PATCH", own, `{"retry_policy":null,"custom_headers":null,"metadata":null}`, `200 ` + shown},
		{"another policy removes the schedule", "PATCH", own, `{"retry_policy":"fast"}`, `200 "retry_policy":"fast" "retry_schedule":[] "timeout_seconds":30`},
		{"one try only", "PATCH", own, `{"retry_policy":"best_effort"}`, `200 "retry_policy":"best_effort"`},
		{"twenty waits", "PATCH", own, `{"retry_policy":"custom","retry_schedule":[1` + strings.Repeat(",1", 19) + `]}`, `200 "retry_policy":"custom"`},
		{"the least timeout", "PATCH", own, `{"timeout_seconds":1}`, `200 "timeout_seconds":1,`},
		{"other headers", "PATCH", own, `{"custom_headers":{"X-Key":"s3cret"}}`, `200 "custom_headers":{"X-Key":"***"} !s3cret`},
		{"twenty headers", "PATCH", own, `{"custom_headers":` + many(20, "X-", "1") + `}`, `200 "X-19":"***"`},
		{"no headers", "PATCH", own, `{"custom_headers":{}}`, `200 "custom_headers":{}`},
		{"other metadata", "PATCH", own, `{"metadata":{"plan":"pro"}}`, `200 "metadata":{"plan":"pro"}`},
		{"no metadata", "PATCH", own, `{"metadata":{}}`, `200 "metadata":{}`},
		{"the first scheme", "PATCH", own, `{"signature_scheme":"portico"}`, `200 "signature_scheme":"portico" "public_key":null`},
		{"no rate limit at first", "GET", own, "", `200 "rate_limit":null "ordered":false "exhaustion_policy":"pause"`},
		{"a rate limit", "PATCH", own, `{"rate_limit":10000}`, `200 "rate_limit":10000`},
		{"a rate limit removed", "PATCH", own, `{"rate_limit":0}`, `200 "rate_limit":null`},
		{"ordered", "PATCH", own, `{"ordered":true,"exhaustion_policy":"skip"}`, `200 "ordered":true "exhaustion_policy":"skip"`},
		{"not ordered", "PATCH", own, `{"ordered":false}`, `200 "ordered":false "exhaustion_policy":"skip"`},
		{"a filter", "PATCH", own, `{"filter":"data.total > 100 && type == 'x'"}`, `200 "filter":"data.total > 100 && type == 'x'"`},
		{"the filter stays", "PATCH", own, `{"description":"y"}`, `200 "filter":"data.total > 100 && type == 'x'"`},
		{"get with a filter", "GET", own, "", `200 "filter":"data.total > 100 && type == 'x'"`},
		{"another filter", "PATCH", own, `{"filter":"data.live"}`, `200 "filter":"data.live"`},
		{"no filter", "PATCH", own, `{"filter":""}`, `200 "filter":""`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do(tt.method, tt.path, tt.body), tt.want) })
	}
}

// The value of a custom header is in no table, reply or log line in plain text,
// even if the request is refused.
func TestHeaderValuesStaySecret(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	const value = "Bearer s3cret-header-value"
	headers := `"custom_headers":{"Authorization":"` + value + `"}`
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+","+headers+"}", "Idempotency-Key", "k1")
	apitest.Want(t, made, "201 !s3cret")
	own := "/v1/webhook-endpoints/" + made.Get(t, "id")
	apitest.Want(t, acme.Do("PATCH", own, "{"+headers+"}"), "200 !s3cret")
	apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", "{"+headers+"}"), "422 !s3cret") // no URL: huma's error holds the body
	apitest.Want(t, acme.Do("PATCH", own, `{"custom_headers":["`+value+`"]}`), "422 !s3cret")
	apitest.Want(t, acme.Do("PATCH", own, `{"custom_headers":{"X-A":"`+value+`\n"}}`), "422 !s3cret")
	apitest.Want(t, acme.Do("PATCH", own, `{"Custom_Headers":{"X-A":"`+value+`"}}`), "422 !s3cret")
	found := testkit.Value[int](t, h.Database, `
		SELECT (SELECT count(*) FROM webhook_endpoint e WHERE position(convert_to($1, 'UTF8') IN e.sealed_headers) > 0 OR e::text LIKE '%'||$1||'%')
		     + (SELECT count(*) FROM idempotency_key i WHERE position(convert_to($1, 'UTF8') IN i.reply) > 0 OR i::text LIKE '%'||$1||'%')`, value)
	if found != 0 {
		t.Errorf("a header's value is in %d rows", found)
	}
	if strings.Contains(h.Lines.String(), "s3cret") {
		t.Errorf("a header's value is logged: %s", h.Lines.String())
	}
}

// The key pair is made when the scheme becomes asymmetric, and stays the same
// from then on. Everyone who may read the endpoint can read the public key.
func TestEndpointKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	id, _ := acme.NewEndpoint(`["*"]`)
	own := "/v1/webhook-endpoints/" + id
	apitest.Want(t, acme.Do("GET", own+"/jwks", ""), `200 {"keys":[]}`)
	first := acme.Do("PATCH", own, `{"signature_scheme":"standard_asymmetric"}`)
	apitest.Want(t, first, `200 "public_key":"whpk_`)
	key := first.Get(t, "public_key")
	acme.Do("PATCH", own, `{"signature_scheme":"portico"}`)
	if again := acme.Do("PATCH", own, `{"signature_scheme":"standard_asymmetric"}`).Get(t, "public_key"); again != key {
		t.Errorf("the key became %s, was %s", again, key)
	}
	other := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`,"signature_scheme":"standard_asymmetric"}`)
	if other.Status != 201 || other.Get(t, "public_key") == key {
		t.Errorf("another endpoint: %d %s", other.Status, other.Body)
	}
	x := strings.NewReplacer("whpk_", "", "+", "-", "/", "_", "=", "").Replace(key)
	for _, tt := range []struct {
		name string
		as   apitest.Caller
		path string
		want string
	}{
		{"own", acme.With(auth.WebhookEndpointsRead), own, `200 "kty":"OKP" "crv":"Ed25519" "x":"` + x + `" "kid":" "alg":"EdDSA" "use":"sig" !"d"`},
		{"another organization's", evil, own, `404 webhook_endpoint_not_found`},
		{"missing", acme, "/v1/webhook-endpoints/we_01890000000000000000000000", `404 webhook_endpoint_not_found`},
		{"without permission", acme.With(auth.EventsRead), own, `403 webhook_endpoints:read`},
		{"malformed id", acme, "/v1/webhook-endpoints/we_1", `422 path.id`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", tt.path+"/jwks", ""), tt.want) })
	}
}
