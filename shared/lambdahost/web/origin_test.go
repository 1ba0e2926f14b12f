package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/lambdahost"
	"portico/shared/observe"
	"portico/shared/testkit"
)

const (
	valueA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	valueB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	valueC = "cccccccccccccccccccccccccccccccccccc"
)

// front is a function behind CloudFront, with its secret.
type front struct {
	*testing.T
	origin  *origin
	log     bytes.Buffer
	stored  string
	away    error
	read    int
	handler http.Handler // as throughEdge returns it
	seen    *http.Request
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{T: t, stored: fmt.Sprintf(`{"current":%q,"previous":%q}`, valueA, valueB)}
	f.origin = &origin{clock: clock.New(0), log: observe.NewLog(&f.log, "test"), read: func(context.Context) ([]byte, error) {
		f.read++
		return []byte(f.stored), f.away
	}}
	if err := f.origin.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.handler = f.origin.guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f.seen = r }))
	return f
}

// call sends an event as API Gateway does, and returns the status and the body.
func (f *front) call(headers map[string]string, path string) (int, string) {
	f.Helper()
	f.seen = nil
	event := events.APIGatewayV2HTTPRequest{RawPath: path, Headers: map[string]string{"host": "x.execute-api.example"}}
	maps.Copy(event.Headers, headers)
	event.RequestContext.HTTP.Method, event.RequestContext.HTTP.SourceIP, event.RequestContext.RequestID = "GET", "198.51.100.1", "req-7"
	payload, err := json.Marshal(event)
	if err != nil {
		f.Fatal(err)
	}
	text, err := Gateway{f.handler}.Invoke(f.Context(), payload)
	if err != nil {
		f.Fatal(err)
	}
	var out events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(text, &out); err != nil {
		f.Fatal(err)
	}
	return out.StatusCode, out.Body
}

func through(value, viewer string) map[string]string {
	return map[string]string{"x-portico-origin": value, "x-portico-viewer": viewer}
}

// A request passes only with a valid value of the origin secret, whatever else it
// says and whatever its path. Both values are valid.
func TestOnlyThroughTheEdge(t *testing.T) {
	f := newFront(t)
	for _, value := range []string{valueA, valueB} {
		if status, _ := f.call(through(value, "203.0.113.7:1"), "/v1/events"); status != 200 || f.seen == nil {
			t.Errorf("a valid value: %d", status)
		}
		if f.seen.Header.Get("X-Portico-Origin") != "" {
			t.Error("the handler gets the secret")
		}
	}
	for name, headers := range map[string]map[string]string{
		"nothing":          nil,
		"only the viewer":  {"x-portico-viewer": "203.0.113.7:1"},
		"an empty value":   through("", "203.0.113.7:1"),
		"a wrong value":    through(valueC, "203.0.113.7:1"),
		"a part":           through(valueA[:35], "203.0.113.7:1"),
		"more":             through(valueA+"a", "203.0.113.7:1"),
		"both at once":     through(valueA+","+valueB, "203.0.113.7:1"),
		"in other headers": {"x-forwarded-for": "203.0.113.7", "via": "1.1 x.cloudfront.net (CloudFront)", "x-amz-cf-id": "x", "authorization": valueA},
	} {
		for _, path := range []string{"/v1/events", "/healthz", "/u/token", "/unknown"} {
			status, body := f.call(headers, path)
			if status != 403 || f.seen != nil || !strings.Contains(body, `"code":"not_through_edge"`) || !strings.Contains(body, `"request_id":"req-7"`) {
				t.Errorf("%s at %s: %d %s", name, path, status, body)
			}
		}
	}
	if log := f.log.String(); !strings.Contains(log, `"address":"198.51.100.1"`) || strings.Contains(log, valueA[:30]) {
		t.Errorf("the log is\n%s", log)
	}
}

// The viewer's address is the one that CloudFront has seen. What cannot be read does
// not count: then it is the one that the gateway has seen.
func TestViewerAddress(t *testing.T) {
	f := newFront(t)
	for text, want := range map[string]string{
		"203.0.113.7:0":     "203.0.113.7",
		"203.0.113.7:46532": "203.0.113.7",
		"2001:0db8:85a3:0000:0000:8a2e:0370:7334:46532": "2001:db8:85a3::8a2e:370:7334",
		"2001:db8::1:443":             "2001:db8::1",
		"[2001:db8::1]:443":           "2001:db8::1",
		"::ffff:203.0.113.7:443":      "203.0.113.7",
		"":                            "198.51.100.1",
		"203.0.113.7":                 "198.51.100.1",
		"203.0.113.7:":                "198.51.100.1",
		"203.0.113.7:99999":           "198.51.100.1",
		"203.0.113.7:1,203.0.113.8:1": "198.51.100.1",
		"203.0.113.7, 203.0.113.8:1":  "198.51.100.1",
		"fe80::1%eth0:443":            "198.51.100.1",
		"localhost:80":                "198.51.100.1",
	} {
		headers := through(valueA, text)
		headers["x-forwarded-for"], headers["x-real-ip"], headers["cloudfront-viewer-address"] = "192.0.2.66", "192.0.2.66", "192.0.2.66:1"
		if f.call(headers, "/"); f.seen == nil || f.seen.RemoteAddr != want {
			t.Errorf("%q: %v, want %s", text, f.seen, want)
		}
	}
}

// Without a configured secret the headers mean nothing.
func TestHeadersWithoutOriginSecret(t *testing.T) {
	t.Setenv("ORIGIN_SECRET", "")
	f := newFront(t)
	var err error
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f.seen = r })
	if f.handler, err = throughEdge(t.Context(), &lambdahost.Host{}, next); err != nil {
		t.Fatal(err)
	}
	status, _ := f.call(through(valueA, "203.0.113.7:1"), "/")
	if status != 200 || f.seen.RemoteAddr != "198.51.100.1" {
		t.Errorf("%d, the address is %s", status, f.seen.RemoteAddr)
	}
}

// While the values are changed one after the other, no request through the edge is
// refused; a removed value ends within five minutes; and guessing does not read the
// secret again and again.
func TestOriginRotation(t *testing.T) {
	f := newFront(t)
	passes := func(value string) bool {
		status, _ := f.call(through(value, "203.0.113.7:1"), "/")
		return status == 200
	}
	f.stored = fmt.Sprintf(`{"current":%q,"previous":%q}`, valueC, valueA)
	f.origin.clock.Advance(originAgain)
	if !passes(valueA) || !passes(valueC) || f.read != 2 {
		t.Errorf("a new value, after %d readings", f.read)
	}
	for range 100 {
		passes("guess")
	}
	if f.read != 2 {
		t.Errorf("guessing read the secret %d times", f.read-2)
	}
	f.stored = fmt.Sprintf(`{"current":%q}`, valueC)
	f.origin.clock.Advance(originFor)
	if passes(valueA) || !passes(valueC) {
		t.Error("a removed value works")
	}
	f.away = errors.New("away")
	f.origin.clock.Advance(originFor)
	if passes(valueA) || !passes(valueC) {
		t.Error("while the secret cannot be read, the last values do not work")
	}
}

// A function does not start with a secret that is missing or short.
func TestOriginSecretIsChecked(t *testing.T) {
	t.Setenv("ORIGIN_SECRET", "origin")
	for want, stored := range map[string]string{
		"":              fmt.Sprintf(`{"current":%q}`, valueA),
		"at least 32":   `{"current":"short"}`,
		"characters":    fmt.Sprintf(`{"current":%q,"previous":"x"}`, valueA),
		`{"current"`:    valueA,
		"ORIGIN_SECRET": "-",
	} {
		manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if stored == "-" {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"no such secret"}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"SecretString":%q}`, stored)
		}))
		h := &lambdahost.Host{AWS: testkit.AWS(manager.URL), Clock: clock.New(0)}
		_, err := throughEdge(t.Context(), h, http.NotFoundHandler())
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), valueA)) {
			t.Errorf("%q: %v, want %q", stored, err, want)
		}
		manager.Close()
	}
}

// The frame takes the viewer's address from there, as pages do from the request.
func TestFrameGetsTheViewer(t *testing.T) {
	f := newFront(t)
	var lines testkit.Log
	var address string
	type none struct{}
	server := &edge.Server{Services: edge.Services{Clock: clock.New(0)}, Log: observe.NewLog(&lines, "test")}
	server.Captcha.Count = func(_ context.Context, from netip.Addr, _ string, _ int64, _ time.Duration) (bool, error) {
		address = from.String()
		return false, nil
	}
	handler, err := server.Handler(edge.Global[none, none]{
		Op: edge.Op{
			ID: "getHealth", Method: "GET", Path: "/healthz", Function: "x", Summary: "x", Permission: auth.Public,
			Challenge: &captcha.Challenge{After: 1, Window: time.Minute},
		},
		Handle: func(*edge.Call, *none) (*none, error) { return &none{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = f.origin.guard(handler)
	for _, tt := range []struct{ value, viewer, want string }{
		{valueA, "203.0.113.7:1", "203.0.113.7"}, {valueA, "2001:db8::1:1", "2001:db8::1"}, {"forged", "203.0.113.7:1", ""},
	} {
		address = ""
		if f.call(through(tt.value, tt.viewer), "/healthz"); address != tt.want {
			t.Errorf("%s %s: the address is %q", tt.value, tt.viewer, address)
		}
	}
}
