package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/api/system"
	"portico/shared/observe"
	"portico/shared/testkit"
)

// A known path with another method is a 405 that names the methods of the path,
// even if another function serves it.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	server := &edge.Server{Log: observe.NewLog(&testkit.Log{}, "test"), Elsewhere: system.Elsewhere}
	handler, err := server.Handler(system.Operations(nil)...)
	if err != nil {
		t.Fatal(err)
	}
	alone := *h
	alone.Handler = handler
	for _, tt := range []struct{ method, path, allow string }{
		{"DELETE", "/v1/events", "GET, POST"},
		{"OPTIONS", "/v1/webhook-endpoints/we_01890000000000000000000000", "GET, PATCH, DELETE"},
		{"PUT", "/v1/events/batch", "GET, POST"}, // GET: of an event with the id batch
		{"TRACE", "/v1/organization", "GET, PATCH"},
		{"POST", "/docs", "GET"},
		{"BREW", "/v1/members/mem_01890000000000000000000000/permissions", "GET"},
	} {
		for _, h := range []*apitest.Harness{h, &alone} {
			r := apitest.Caller{Harness: h}.Do(tt.method, tt.path, "")
			apitest.Want(t, r, "405 method_not_allowed")
			if allow := r.Header.Get("Allow"); allow != tt.allow {
				t.Errorf("%s %s: Allow: %s, want %s", tt.method, tt.path, allow, tt.allow)
			}
		}
	}
}

// No reply may be stored, sniffed or framed; only public replies say for how long
// they may be stored.
func TestRepliesAreGuarded(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	for path, cache := range map[string]string{
		"/v1/webhook-endpoints": "no-store", "/v1/nothing": "no-store", "/healthz": "no-store",
		"/docs": "public, max-age=300", "/openapi.json": "public, max-age=300",
	} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+acme.Key)
		w := httptest.NewRecorder()
		handler := acme.Handler
		if path == "/docs" {
			handler = systemHandler(t)
		}
		handler.ServeHTTP(w, r)
		header := w.Header()
		if header.Get("Cache-Control") != cache || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Frame-Options") != "DENY" ||
			!strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, header)
		}
	}
	made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}", "Idempotency-Key", "k1")
	if again := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}", "Idempotency-Key", "k1"); again.Header.Get("Cache-Control") != "no-store" || again.Body != made.Body {
		t.Errorf("a secret, repeated: %v", again.Header)
	}
}

// A parameter that is empty, unknown or sent twice is refused, and the reply
// names it.
func TestParameters(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	for query, at := range map[string]string{
		"limit=": "query.limit", "status=": "query.status", "after=": "query.after", "limit=1&limit=1": "query.limit", "limit": "query.limit",
		"x=1&limit=&status=held&status=held": "query.limit query.status query.x", "limit=%zz": "query", "limit=1;after=2": "query",
		"status=%FF": "query.status",
	} {
		r := acme.Do("GET", "/v1/deliveries?"+query, "")
		apitest.Want(t, r, "422 invalid_request")
		if got := strings.Join(r.Locations(t), " "); got != at {
			t.Errorf("%s: %s at %s, want %s", query, r.Body, got, at)
		}
	}
	apitest.Want(t, acme.Do("GET", "/v1/organization?x=1", ""), "422 query.x")
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?actor_id=%FF", ""), "422 query.actor_id")
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?actor_id=a%00b", ""), "422 query.actor_id")
	apitest.Want(t, acme.Do("GET", "/v1/events", "", "Portico-Organization", ""), "422 header.Portico-Organization")
	apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}", "Idempotency-Key", ""), "422 header.Idempotency-Key")
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints", ""), `200 "data":[]`)
}

// Browsers and monitors add parameters of their own. The pages, and the
// operations about the API itself, ignore all parameters; all other operations
// refuse unknown ones.
func TestPagesIgnoreTheQuery(t *testing.T) {
	t.Parallel()
	pages, acme := systemHandler(t), apitest.New(t).Organization("Acme")
	for _, query := range []string{"utm_source=x", "t=1", "x=", "x", "x=1&x=2", "x=%FF", "x=%zz", "x=1;y=2"} {
		for _, path := range []string{"/healthz", "/openapi.json", "/docs", "/docs/endpoints"} {
			w := httptest.NewRecorder()
			pages.ServeHTTP(w, httptest.NewRequest("GET", path+"?"+query, nil))
			if w.Code != http.StatusOK {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
		apitest.Want(t, acme.Do("GET", "/v1/webhook-source-ips?"+query, ""), "422 invalid_request")
	}
	ignoring := 0
	for _, o := range api.All() {
		if op := o.Meta(); op.IgnoresQuery {
			ignoring++
			if op.Tag != "System" {
				t.Errorf("%s ignores an unknown parameter", op.ID)
			}
		}
	}
	if ignoring != 4 {
		t.Errorf("%d operations ignore the query, want 4", ignoring)
	}
}

// A body may have at most 64 levels, in any part, and the repetition of a request
// gets the same status.
func TestNesting(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct{ name, path, body, want string }{
		{"the most", "/v1/events", `{"type":"a","data":` + deep(63) + `}`, "202"},
		{"one too many", "/v1/events", `{"type":"a","data":` + deep(64) + `}`, "400 malformed_request data nests 64 deep at byte 83"},
		{"objects", "/v1/events", `{"type":"a","data":` + strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9001), "400 malformed_request data nests"},
		{"beside the data", "/v1/events", `{"type":` + deep(9000) + `,"data":1}`, "400 malformed_request nests"},
		{"in a batch", "/v1/events/batch", `{"events":[{"type":"a","data":` + deep(62) + `}]}`, "400 malformed_request data nests"},
		{"settings", "/v1/organizations", `{"name":` + deep(70) + `}`, "4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := acme.Do("POST", tt.path, tt.body, "Idempotency-Key", tt.name)
			if tt.want == "4" {
				if r.Status < 400 || r.Status > 499 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				return
			}
			apitest.Want(t, r, tt.want)
			if again := acme.Do("POST", tt.path, tt.body, "Idempotency-Key", tt.name); again.Status != r.Status {
				t.Errorf("repeated: %d %s", again.Status, again.Body)
			}
		})
	}
}

// A number that a program cannot hold, or that is whole but not written so, is refused
// with the field and without a word about how we read it.
func TestNumbers(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	own, _ := acme.NewEndpoint(`["*"]`)
	for number, want := range map[string]string{
		"1e999": "400 malformed_request too_large_at_byte_20", "-1e400": "400 malformed_request", strings.Repeat("9", 400): "400 malformed_request !999",
		"1e-999": "422 body.timeout_seconds", "1.0": "422 body.timeout_seconds", "1e1": "422 body.timeout_seconds", "9223372036854775808": "422 body.timeout_seconds", "-0": "422 body.timeout_seconds",
	} {
		r := acme.Do("PATCH", "/v1/webhook-endpoints/"+own, `{"timeout_seconds":`+number+`}`)
		r.Body = strings.ReplaceAll(r.Body, "too large at byte 20", "too_large_at_byte_20")
		apitest.Want(t, r, want+" !json: !struct !float64 !int")
	}
	apitest.Want(t, acme.Publish(`{"type":"a","data":[1e999,1.0,-0]}`), "202")
	apitest.Want(t, acme.Do("GET", "*", ""), "404 no_such_route")
}
