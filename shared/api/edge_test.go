package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/organizations"
	"portico/shared/auth"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

type none struct{}

// An incomplete declaration does not start, and the error says what is missing.
func TestUndeclaredOperationsDoNotStart(t *testing.T) {
	t.Parallel()
	whole := edge.Op{
		ID: "makeThing", Method: "POST", Path: "/v1/things", Function: "things", Summary: "Make a thing",
		Permission: auth.EventsWrite, Cost: 1, Audit: "role.create",
	}
	for _, tt := range []struct {
		name   string
		change func(*edge.Op)
		want   string
	}{
		{"whole", func(*edge.Op) {}, ""},
		{"without permission", func(o *edge.Op) { o.Permission = "" }, "no permission"},
		{"with an unknown permission", func(o *edge.Op) { o.Permission = "things:make" }, "not described"},
		{"without limit cost", func(o *edge.Op) { o.Cost = 0 }, "no limit cost"},
		{"a mutation without audit action", func(o *edge.Op) { o.Audit = "" }, "without an audit action"},
		{"an action that is not described", func(o *edge.Op) { o.Audit = "thing.make" }, "not described in shared/audit/actions.go"},
		{"recorded by rows that name nobody", func(o *edge.Op) { o.RecordedBy = "webhook_endpoint" }, "does not name who wrote it"},
		{"recorded by events", func(o *edge.Op) { o.RecordedBy = "event" }, ""},
		{"a GET that changes something", func(o *edge.Op) { o.Method = "GET" }, "must not change anything"},
		{"on an organization in no path", func(o *edge.Op) { o.Acts = edge.OnPath }, "has no /v1/organizations/{id}"},
		{"on an organization in its path", func(o *edge.Op) {
			o.Path, o.Acts, o.Audit = "/v1/organizations/{id}/things", edge.OnPath, "organization.update"
		}, ""},
		{"whose path names what its action does not", func(o *edge.Op) { o.Path, o.Acts = "/v1/organizations/{id}/things", edge.OnPath }, "does not name organization as a target"},
		{"a read that does not say what is read", func(o *edge.Op) { o.Method, o.Audit = "GET", "" }, "its Access must name an audit action, or NoRecords"},
		{"a read with an unknown action", func(o *edge.Op) { o.Method, o.Audit, o.Access = "GET", "", "thing.read" }, "not described in shared/audit/actions.go"},
		{"a read that shows no records", func(o *edge.Op) { o.Method, o.Audit, o.Access = "GET", "", edge.NoRecords }, ""},
		{"a mutation that reads", func(o *edge.Op) { o.Access = "role.read" }, "is no read"},
		{"with another in its path", func(o *edge.Op) { o.Path = "/v1/organizations/{id}" }, "acts on another"},
		{"on a new organization", func(o *edge.Op) { o.Acts = edge.OnNew }, ""},
		{"on a new organization by PATCH", func(o *edge.Op) { o.Method, o.Acts = "PATCH", edge.OnNew }, "is no POST"},
		{"on every organization", func(o *edge.Op) { o.Acts = edge.OnAll }, "would change every organization"},
		{"reading every one inside of one", func(o *edge.Op) { o.Method, o.Audit, o.Acts = "GET", "", edge.OnAll }, "runs inside of one"},
		{"public, on a new organization", func(o *edge.Op) { o.Permission, o.Acts = auth.Public, edge.OnNew }, "is public"},
		{"on who knows what", func(o *edge.Op) { o.Acts = 9 }, "does not know"},
		{"without function", func(o *edge.Op) { o.Function = "" }, "function"},
		{"without summary", func(o *edge.Op) { o.Summary = "" }, "summary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := whole
			tt.change(&op)
			server := &edge.Server{Log: observe.NewLog(&testkit.Log{}, "test")}
			operation := edge.Operation(edge.Write[none, none]{Op: op})
			if strings.Contains(op.Path, "{id}") {
				operation = edge.Write[organizations.OrganizationPath, none]{Op: op}
			}
			_, err := server.Handler(operation)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	server := &edge.Server{}
	if _, err := server.Handler(edge.Global[none, none]{Op: whole}); err == nil || !strings.Contains(err.Error(), "does not run inside") {
		t.Errorf("an operation that acts on one organization, but runs outside any, starts: %v", err)
	}
	whole.Path, whole.Acts, whole.Audit = "/v1/organizations/{id}/things", edge.OnPath, "organization.update"
	if _, err := server.Handler(edge.Write[none, none]{Op: whole}); err == nil || !strings.Contains(err.Error(), "its path has {id}") {
		t.Errorf("an operation whose input lacks a parameter of its path starts: %v", err)
	}
	list := events.List
	list.IgnoresQuery = true
	if _, err := server.Handler(list); err == nil || !strings.Contains(err.Error(), "ignores the query and has the parameter") {
		t.Errorf("an operation that ignores its own parameters starts: %v", err)
	}
	if _, err := server.Handler(append(api.All(), events.List)...); err == nil || !strings.Contains(err.Error(), "declared twice") {
		t.Errorf("an operation declared twice starts: %v", err)
	}
}

// A defect or a panic is a 500 that shows only the request id; the cause is in
// the log. If a store does not answer or the function's time is over, the reply
// is a 503 that asks to try again.
func TestServerErrors(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	server := *h.Server
	broken := func(path string, fail func() error) edge.Operation {
		return edge.Read[none, none]{
			Op: edge.Op{ID: "get" + path, Method: "GET", Path: "/v1/" + path, Function: "x", Summary: "x", Permission: auth.EventsRead, Cost: 1, Access: edge.NoRecords},
			Handle: func(*edge.Call, *none) (*none, error) {
				return nil, fail()
			},
		}
	}
	var err error
	if h.Handler, err = server.Handler(
		broken("defect", func() error { return errors.New("the password is hunter2") }),
		broken("panic", func() error { panic("the password is hunter2") }),
		broken("timeout", func() error { return fmt.Errorf("event.match: %w", context.DeadlineExceeded) }),
	); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/defect", "/v1/panic"} {
		r := acme.Do("GET", path, "")
		apitest.Want(t, r, `500 "code":"internal" "request_id":"req-1" !hunter2`)
		if r.Header.Get("X-Request-Id") != "req-1" || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("headers %v", r.Header)
		}
	}
	apitest.Want(t, acme.Do("GET", "/v1/timeout", ""), `503 "code":"unavailable" !event.match`)
	if n := strings.Count(h.Lines.String(), "hunter2"); n < 2 {
		t.Errorf("%d causes in the log, want 2", n)
	}
	if h.Handler, err = server.Handler(events.List); err != nil {
		t.Fatal(err)
	}
	server.DB, err = pg.Open(context.Background(), "postgres://portico_app:x@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	r := acme.Do("GET", "/v1/events", "")
	apitest.Want(t, r, `503 "code":"unavailable" !127.0.0.1`)
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// A path without an operation is a 404 problem, even a path that the router would
// clean.
func TestNoSuchRoute(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	for _, path := range []string{"/", "/v2/events", "/v1/events/", "/v1//events", "/v1/../etc/passwd", "/v1/events/batch/x"} {
		r := apitest.Caller{Harness: h}.Do("GET", path, "")
		apitest.Want(t, r, "404 no_such_route")
	}
}

// The API describes itself in OpenAPI 3.1.
func TestSystem(t *testing.T) {
	t.Parallel()
	handler := systemHandler(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w
	}
	if body := get("/healthz").Body.String(); strings.TrimSpace(body) != `{"status":"ok"}` {
		t.Errorf("healthz: %s", body)
	}
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Security    []map[string][]string
		}
	}
	if err := json.Unmarshal(get("/openapi.json").Body.Bytes(), &spec); err != nil || spec.OpenAPI != "3.1.0" {
		t.Fatalf("openapi %q: %v", spec.OpenAPI, err)
	}
	for _, o := range api.All() {
		op := o.Meta()
		described := spec.Paths[op.Path][strings.ToLower(op.Method)]
		if described.OperationID != op.ID || (len(described.Security) == 0) != (op.Permission == auth.Public) {
			t.Errorf("%s is described as %+v", op.ID, described)
		}
	}
}

// No malformed request gets a 5xx: random methods, paths, queries, headers and
// bodies, and valid requests with one part replaced by junk.
func TestMalformedNeverFails(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	endpoint, _ := acme.NewEndpoint(`["*"]`)
	member := acme.NewMember("ada@example.com", "owner")
	named := acme.Make("/v1/domains", `{"name":"portal.example.com"}`)
	paths := []string{"/v1/webhook-endpoints", "/v1/webhook-endpoints/" + endpoint, "/v1/webhook-endpoints/" + endpoint + "/rotate-secret", "/v1/webhook-source-ips", "/v1/events", "/v1/events/batch", "/v1/deliveries", "/v1/deliveries/dlv_01890000000000000000000000",
		"/v1/organization", "/v1/organizations", "/v1/organizations/" + acme.Org.String(), "/v1/members", "/v1/members/" + member, "/v1/members/" + member + "/permissions", "/v1/roles", "/v1/roles/owner", "/v1/resource-grants", "/v1/audit-log", "/v1/domains", "/v1/domains/" + named, "/v1/domains/" + named + "/verify"}
	junk := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		`null`, `{}`, `[]`, `""`, `0`, `1e400`, `-0`, `{"type":{"a":1},"data":1}`, `{"events":{}}`, `{"events":[null]}`, `{"events":[[]]}`,
		`{"url":"https://\u0000/","event_types":["*"]}`, `{"url":"https://[::ffff:1","event_types":["*"]}`, `{"url":"%","event_types":["*"]}`,
		`{"version":99999999999,"settings":[]}`, `{"settings":{"timezone":{}},"branding":null}`, `{"settings":null,"name":null}`, `{"email":[],"role":null}`,
		`{"email":"a@b.c","role":"role_zzzzzzzzzzzzzzzzzzzzzzzzzz"}`, `{"name":"x","permissions":[null],"condition":"\u0000"}`, `{"name":"x","permissions":["events:read"],"condition":"ip(\"\")"}`,
		`{"name":"xn--a\ud800.example.com"}`, `{"name":"\u0000.com"}`, `{"url":[],"event_types":"*"}`, `{"overlap_seconds":1e400}`, `{"overlap_seconds":null}`, `{"description":null}`, `{"event_types":[null]}`, "\ufeff{}", "{\"type\":\"a\",\"data\":\"\xed\xa0\x80\"}",
	}))
	rapid.Check(t, func(rt *rapid.T) {
		method := rapid.SampledFrom([]string{"GET", "POST", "PATCH", "DELETE"}).Draw(rt, "method")
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		name := rapid.SampledFrom([]string{"limit", "after", "status", "event_id", "endpoint_id", "action", "actor_id", "since", "until", "x"}).Draw(rt, "parameter")
		r := httptest.NewRequest(method, path, strings.NewReader(junk.Draw(rt, "body")))
		r.URL.RawQuery = rapid.OneOf(rapid.Just(""), rapid.Map(rapid.String(), func(s string) string { return name + "=" + s })).Draw(rt, "query")
		r.Host = rapid.OneOf(rapid.Just("example.com"), rapid.String()).Draw(rt, "host")
		r.Header.Set("Authorization", "Bearer "+acme.Key)
		r.Header.Set("Content-Type", rapid.SampledFrom([]string{"application/json", "", "text/plain", "application/json; charset=latin1", ";"}).Draw(rt, "type"))
		r.Header.Set("Idempotency-Key", rapid.OneOf(rapid.Just(""), rapid.String()).Draw(rt, "key"))
		if method == "DELETE" && (strings.HasSuffix(path, endpoint) || strings.HasSuffix(path, acme.Org.String())) {
			return // it would delete what the other requests need
		}
		w := httptest.NewRecorder()
		h.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			rt.Fatalf("%d %s\n%s", w.Code, w.Body, h.Lines)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
			rt.Fatalf("%d without a problem: %s", w.Code, w.Body)
		}
	})
}
