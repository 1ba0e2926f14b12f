package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"portico/shared/api"
	"portico/shared/apikey"
	"portico/shared/jobs"
	"portico/shared/testkit"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// make creates something and returns its id.
func (c caller) make(path, body string) string {
	c.t.Helper()
	r := c.do("POST", path, body)
	if r.status != http.StatusCreated {
		c.t.Fatalf("POST %s %s: %d %s", path, body, r.status, r.body)
	}
	return r.get(c.t, "id")
}

func (c caller) newMember(email, role string) string {
	c.t.Helper()
	return c.make("/v1/members", `{"email":"`+email+`","name":"Ada","role":"`+role+`"}`)
}

// newKey creates an API key and returns a caller with it, and its id.
func (c caller) newKey(body string) (made caller, key string) {
	c.t.Helper()
	r := c.do("POST", "/v1/api-keys", body)
	if r.status != http.StatusCreated {
		c.t.Fatalf("create key: %d %s", r.status, r.body)
	}
	c.key = r.get(c.t, "key")
	return c, r.get(c.t, "id")
}

// environment is another execution environment: the same stores, a cache of
// its own. DynamoDB is asked through a proxy that fails what it is told to.
func (c caller) environment(fails func(body string) bool) caller {
	c.t.Helper()
	h := *c.harness
	h.handler = h.newEnvironment(fails)
	c.harness = &h
	return c
}

// from sends a GET from an address, with a lie about it.
func (c caller) from(address string) reply {
	c.t.Helper()
	r := httptest.NewRequest("GET", "/v1/events", nil)
	r.RemoteAddr = address
	r.Header.Set("Authorization", "Bearer "+c.key)
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
		r.Header.Set(name, "192.0.2.1")
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return reply{status: w.Code, header: w.Header(), body: w.Body.String()}
}

// newEnvironment returns the API with a cache of its own, and DynamoDB behind a
// proxy that fails the calls whose body it is told to fail.
func (h *harness) newEnvironment(fails func(body string) bool) http.Handler {
	h.t.Helper()
	to, err := url.Parse(testkit.DynamoDBEndpoint(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || fails(string(body)) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	h.t.Cleanup(server.Close)
	config := testkit.AWS(server.URL)
	config.RetryMaxAttempts = 1
	edge := *h.edge
	edge.Keys = apikey.NewProjection(dynamodb.NewFromConfig(config), h.table, h.App, h.Clock)
	handler, err := edge.Handler(api.All()...)
	if err != nil {
		h.t.Fatal(err)
	}
	return handler
}

func never(string) bool { return false }

// prove makes DNS show the record that a domain's body names.
func (c caller) prove(path string) {
	c.t.Helper()
	r := c.do("GET", path, "")
	c.names.Set(r.get(c.t, "record.name"), r.get(c.t, "record.value"))
}

// begin runs the bootstrap function.
func (h *harness) begin(payload string) jobs.CreatedStaffKey {
	h.t.Helper()
	made, err := jobs.Bootstrap{DB: h.App, Keys: h.keys, Hosts: h.edge.Hosts, Clock: h.Clock}.Run(context.Background(), json.RawMessage(payload))
	if err != nil {
		h.t.Fatal(err)
	}
	key, _ := made.(jobs.CreatedStaffKey) // or it was revoked
	return key
}

func mustExec(t *testing.T, h *harness, sql string) {
	t.Helper()
	if _, err := h.Admin.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

// newStaff returns a caller with a staff key, which has no organization.
func (h *harness) newStaff() caller {
	h.t.Helper()
	return caller{harness: h, key: h.begin(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
}

func (c caller) newEndpoint(types string) (id, secret string) {
	c.t.Helper()
	r := c.do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/hook","event_types":`+types+`}`)
	if r.status != http.StatusCreated {
		c.t.Fatalf("create endpoint: %d %s", r.status, r.body)
	}
	return r.get(c.t, "id"), r.get(c.t, "secret")
}

func (c caller) publish(body string, headers ...string) reply {
	c.t.Helper()
	return c.do("POST", "/v1/events", body, headers...)
}

const plainEndpoint = `{"url":"https://example.com/","event_types":["*"]`

// at sends a request to a host.
func (c caller) at(host, method, path, body string, headers ...string) reply {
	c.t.Helper()
	return c.do(method, "http://"+host+path, body, headers...)
}

// works checks whether a key is accepted.
func (c caller) works(when string, works bool) {
	c.t.Helper()
	if r := c.do("GET", "/v1/events", ""); (r.status == http.StatusOK) != works {
		c.t.Errorf("%s: %d %s", when, r.status, r.body)
	}
}

// clientCertificate returns the member of a body.
func clientCertificate(certificate, key string) string {
	text, err := json.Marshal(map[string]string{"certificate": certificate, "private_key": key})
	if err != nil {
		panic(err)
	}
	return `"client_certificate":` + string(text)
}
