package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portico/shared/lambdahost"
)

// payload is an event of format 2.0 as API Gateway sends it.
const payload = `{
  "version": "2.0", "routeKey": "POST /v1/events", "rawPath": "/v1/events", "rawQueryString": "limit=2&after=a%2Fb&after=c",
  "cookies": ["a=1", "b=2; c"],
  "headers": {
    "accept": "application/json, text/plain;q=0.5", "authorization": "Bearer ptc_x", "content-type": "application/json",
    "host": "api.example.com", "idempotency-key": "a,b", "x-repeated": "1,2"
  },
  "queryStringParameters": {"limit": "2", "after": "a/b,c"},
  "requestContext": {"requestId": "req-1", "http": {"method": "POST", "path": "/v1/events", "sourceIp": "192.0.2.7"}},
  "body": "{\"a\":\"ü\"}", "isBase64Encoded": false
}`

func eventOf(t *testing.T, text string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	e, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// request returns what a handler gets for an event.
func request(ctx context.Context, e events.APIGatewayV2HTTPRequest) (got *http.Request) {
	_, err := answer(ctx, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }), e)
	if err != nil {
		panic(err) // a 5xx from the gateway
	}
	return got
}

// A payload becomes the request that the client sent: header values keep their
// commas, the query is not decoded, and each cookie has its own value.
func TestRequest(t *testing.T) {
	type key struct{}
	r := request(context.WithValue(context.Background(), key{}, "kept"), eventOf(t, payload))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery, "uri": r.RequestURI, "host": r.Host,
		"remote": r.RemoteAddr, "body": string(body), "length": r.ContentLength, "header": r.Header,
		"after": r.URL.Query()["after"], "context": r.Context().Value(key{}),
	}
	want := map[string]any{
		"method": "POST", "path": "/v1/events", "query": "limit=2&after=a%2Fb&after=c",
		"uri": "/v1/events?limit=2&after=a%2Fb&after=c", "host": "api.example.com", "remote": "192.0.2.7",
		"body": `{"a":"ü"}`, "length": int64(10), "after": []string{"a/b", "c"}, "context": "kept",
		"header": http.Header{
			"Accept": {"application/json, text/plain;q=0.5"}, "Authorization": {"Bearer ptc_x"}, "Content-Type": {"application/json"},
			"Host": {"api.example.com"}, "Idempotency-Key": {"a,b"}, "X-Repeated": {"1,2"}, "Cookie": {"a=1", "b=2; c"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Bodies arrive unchanged, as text or in base64.
func TestRequestBody(t *testing.T) {
	binary := string([]byte{0, 0xff, 0xfe, '\n'})
	for what, c := range map[string]struct {
		body    string
		encoded bool
		want    string
	}{
		"text":                      {`{"a":1}`, false, `{"a":1}`},
		"text that looks encoded":   {"aGVsbG8=", false, "aGVsbG8="},
		"base64 of text":            {"aGVsbG8=", true, "hello"},
		"base64 of no text":         {base64.StdEncoding.EncodeToString([]byte(binary)), true, binary},
		"nothing":                   {"", false, ""},
		"nothing, in base64":        {"", true, ""},
		"base64 that cannot be one": {"%%%", true, "%%%"},
	} {
		r := request(context.Background(), events.APIGatewayV2HTTPRequest{Body: c.body, IsBase64Encoded: c.encoded})
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != c.want || r.ContentLength != int64(len(c.want)) {
			t.Errorf("%s: %q of length %d, %v; want %q", what, got, r.ContentLength, err, c.want)
		}
	}
}

// Any path, query, header, body, method and host that the gateway accepts becomes
// a request with exactly that path, which a mux can serve.
func TestOddRequestsNeverFail(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/things/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	serve := func(t interface{ Fatalf(string, ...any) }, e events.APIGatewayV2HTTPRequest) {
		r := request(context.Background(), e)
		if r.URL.Path != e.RawPath || r.URL.RawQuery != e.RawQueryString {
			t.Fatalf("%q?%q became %q?%q", e.RawPath, e.RawQueryString, r.URL.Path, r.URL.RawQuery)
		}
		if out, err := answer(context.Background(), mux, e); err != nil || out.StatusCode < 200 || out.StatusCode >= 500 {
			t.Fatalf("%q was answered %d, %v", e.RawPath, out.StatusCode, err)
		}
	}
	for _, path := range []string{
		"", "/", "//", "//evil.example/x", "/%", "/%zz", "/%2F", "/a b", "/ü", "/\xff", "/\x00", "/..", "/../../etc/passwd",
		"/v1/things/a%b", "/v1/things/?", "/v1/things/#", "http://evil.example/", "*", "no-slash", "/" + strings.Repeat("a", 10_000),
	} {
		serve(t, events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: "a=%zz;&&=%"})
	}
	rapid.Check(t, func(t *rapid.T) {
		e := events.APIGatewayV2HTTPRequest{
			RawPath: rapid.String().Draw(t, "path"), RawQueryString: rapid.String().Draw(t, "query"),
			Headers: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "headers"), Body: rapid.String().Draw(t, "body"),
			IsBase64Encoded: rapid.Bool().Draw(t, "encoded"),
		}
		e.RequestContext.HTTP.Method = rapid.SampledFrom([]string{"GET", "POST", "CONNECT", "", "ODD", "A B"}).Draw(t, "method")
		e.RequestContext.DomainName = rapid.SampledFrom([]string{"", "api.example.com", "a b", "[::1", "%"}).Draw(t, "host")
		serve(t, e)
	})
}

// A response becomes format 2.0: repeated headers are joined, cookies are
// separate, and a body that is not text is in base64.
func TestResponse(t *testing.T) {
	for what, c := range map[string]struct {
		write func(http.ResponseWriter)
		want  string
	}{
		"nothing written": {func(http.ResponseWriter) {},
			`{"statusCode":200,"headers":{},"body":""}`},
		"JSON": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(202)
			_, _ = io.WriteString(w, `{"a":`)
			_, _ = io.WriteString(w, `"ü"}`)
		}, `{"statusCode":202,"headers":{"Content-Type":"application/json"},"body":"{\"a\":\"ü\"}"}`},
		"repeated headers and cookies": {func(w http.ResponseWriter) {
			w.Header()["Vary"] = []string{"Accept", "Origin"}
			w.Header().Add("Set-Cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(204)
		}, `{"statusCode":204,"headers":{"Vary":"Accept,Origin"},"body":"",
			"cookies":["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT","b=2"]}`},
		"no text": {func(w http.ResponseWriter) { _, _ = w.Write([]byte{0xff, 0x00}) },
			`{"statusCode":200,"headers":{},"body":"/wA=","isBase64Encoded":true}`},
		"the first status counts": {func(w http.ResponseWriter) {
			w.WriteHeader(404)
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "x")
		}, `{"statusCode":404,"headers":{},"body":"x"}`},
	} {
		out, err := answer(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.write(w) }),
			events.APIGatewayV2HTTPRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		text := encode(out)
		if json.Unmarshal(text, &got) != nil || json.Unmarshal([]byte(c.want), &want) != nil {
			t.Fatalf("%s: %s", what, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", what, diff)
		}
	}
}

// A request ends before its function's time does. Without a deadline it has none.
func TestRequestLeavesTimeForItsAnswer(t *testing.T) {
	ends := time.Now().Add(29 * time.Second)
	function, cancel := context.WithDeadline(context.Background(), ends)
	defer cancel()
	ctx, done := lambdahost.EndEarlier(function, forAnswer)
	defer done()
	if deadline, ok := ctx.Deadline(); !ok || ends.Sub(deadline) != forAnswer {
		t.Errorf("the request ends %s before the function", ends.Sub(deadline))
	}
	ctx, done = lambdahost.EndEarlier(context.Background(), forAnswer)
	defer done()
	if _, ok := ctx.Deadline(); ok {
		t.Error("a request without a deadline got one")
	}
}
