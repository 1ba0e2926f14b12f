package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/infra/local/gateway"
	"portico/infra/local/lambda"
	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(stacktest.MainWithFunction(m, func(built string) { binary = built }))
}

// serve returns the URL of a gateway whose routes call one real function.
func serve(t testing.TB, opts gateway.Options, cfg lambda.Config, routes ...string) (string, *lambda.Function) {
	t.Helper()
	host := lambda.NewHost(lambda.Options{QueueWait: 50 * time.Millisecond})
	t.Cleanup(host.Close)
	cfg.Name, cfg.Binary = "fn", binary
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	f, err := host.Add(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var list []gateway.Route
	for _, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		if r == "$default" {
			method, path = "", r
		}
		list = append(list, gateway.Route{Method: method, Path: path, Invoke: f.Invoke})
	}
	handler, err := gateway.New(list, opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, f
}

func send(t testing.TB, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

// The event is the one of the documentation, field by field.
func TestEvent(t *testing.T) {
	url, _ := serve(t, gateway.Options{}, lambda.Config{}, "POST /v1/events/{id}/x")
	before := time.Now().UnixMilli()
	resp, body := send(t, "POST", url+"/v1/events/a%2Fb%20c/x?b=2&a=1&a=3&c=%20d", `{"a":"<é>"}`,
		"Content-Type", "application/json", "X-Multi", "one", "X-Multi", "two",
		"Cookie", "c1=v1; c2=v2", "User-Agent", "test", "X-Forwarded-For", "9.9.9.9")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	rc := got["requestContext"].(map[string]any)
	headers := got["headers"].(map[string]any)
	if epoch := int64(rc["timeEpoch"].(float64)); epoch < before || epoch > time.Now().UnixMilli() {
		t.Errorf("timeEpoch %d", epoch)
	}
	if at, err := time.Parse("02/Jan/2006:15:04:05 -0700", rc["time"].(string)); err != nil || at.UnixMilli()/1000 != int64(rc["timeEpoch"].(float64))/1000 {
		t.Errorf("time %v, %v", rc["time"], err)
	}
	if rc["requestId"] != resp.Header.Get("Apigw-Requestid") || len(rc["requestId"].(string)) != 36 {
		t.Errorf("requestId %v, header %q", rc["requestId"], resp.Header.Get("Apigw-Requestid"))
	}
	if !strings.HasPrefix(headers["x-amzn-trace-id"].(string), "Root=1-") {
		t.Errorf("trace id %v", headers["x-amzn-trace-id"])
	}
	for _, name := range []string{"time", "timeEpoch", "requestId"} {
		delete(rc, name)
	}
	delete(headers, "x-amzn-trace-id")
	host := strings.TrimPrefix(url, "http://")
	_, port, _ := strings.Cut(host, ":")
	want := map[string]any{
		"version": "2.0", "routeKey": "POST /v1/events/{id}/x",
		"rawPath": "/v1/events/a/b c/x", "rawQueryString": "b=2&a=1&a=3&c=%20d",
		"cookies": []any{"c1=v1", "c2=v2"},
		"headers": map[string]any{
			"content-type": "application/json", "x-multi": "one,two", "user-agent": "test", "accept-encoding": "gzip",
			"content-length": "12", "host": host, "x-forwarded-for": "9.9.9.9, 127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-port": port,
		},
		"queryStringParameters": map[string]any{"a": "1,3", "b": "2", "c": " d"},
		"pathParameters":        map[string]any{"id": "a/b c"},
		"requestContext": map[string]any{
			"accountId": "000000000000", "apiId": "local", "domainName": "127.0.0.1", "domainPrefix": "127",
			"routeKey": "POST /v1/events/{id}/x", "stage": "$default",
			"http": map[string]any{"method": "POST", "path": "/v1/events/a/b c/x", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
		},
		"body": `{"a":"<é>"}`, "isBase64Encoded": false,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRequestBodies(t *testing.T) {
	url, _ := serve(t, gateway.Options{}, lambda.Config{}, "POST /")
	for _, tt := range []struct {
		contentType, body string
		want              string
	}{
		{"text/plain; charset=utf-8", "hi", `hi false`},
		{"application/json", "{}", `{} false`},
		{"application/json; charset=utf-8", "{}", `{} false`},
		{"application/xml", "<a/>", `<a/> false`},
		{"application/x-www-form-urlencoded", "a=1", `YT0x true`},
		{"application/octet-stream", "\x00\xff", `AP8= true`},
		{"", "hi", `aGk= true`},
		{"application/json", "\"\xff\"", `Iv8i true`},
		{"application/octet-stream", "", ` false`},
	} {
		var headers []string
		if tt.contentType != "" {
			headers = []string{"Content-Type", tt.contentType}
		}
		_, body := send(t, "POST", url, tt.body, headers...)
		var got struct {
			Body            string
			IsBase64Encoded bool
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if s := fmt.Sprint(got.Body, " ", got.IsBase64Encoded); s != tt.want {
			t.Errorf("%s %q: got %s, want %s", tt.contentType, tt.body, s, tt.want)
		}
	}
}

func TestRouting(t *testing.T) {
	routes := []string{
		"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{kind}/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}",
		"POST /pets/dog/{id}", "ANY /pets/dog", "GET /pets/dog",
	}
	url, _ := serve(t, gateway.Options{}, lambda.Config{}, append(routes, "$default")...)
	for _, tt := range []struct{ method, path, wantKey, wantParams string }{
		{"GET", "/pets/dog/1", "GET /pets/dog/1", `null`},
		{"GET", "/pets/dog/2", "GET /pets/dog/{id}", `{"id":"2"}`},
		{"POST", "/pets/dog/1", "POST /pets/dog/{id}", `{"id":"1"}`},
		{"GET", "/pets/cat/1", "GET /pets/{kind}/{id}", `{"id":"1","kind":"cat"}`},
		{"GET", "/pets/cat/1/2", "GET /pets/{proxy+}", `{"proxy":"cat/1/2"}`},
		{"GET", "/pets/dog", "GET /pets/dog", `null`},
		{"PUT", "/pets/dog", "ANY /pets/dog", `null`},
		{"DELETE", "/pets/dog/1", "ANY /{proxy+}", `{"proxy":"pets/dog/1"}`},
		{"GET", "/pets/dog/a%2Fb", "GET /pets/dog/{id}", `{"id":"a/b"}`},
		{"GET", "/pets/dog/", "GET /pets/{proxy+}", `{"proxy":"dog/"}`},
		{"GET", "/", "$default", `null`},
	} {
		_, body := send(t, tt.method, url+tt.path, "")
		var got struct {
			RouteKey       string
			PathParameters map[string]string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		params, _ := json.Marshal(got.PathParameters)
		if got.RouteKey != tt.wantKey || string(params) != tt.wantParams {
			t.Errorf("%s %s: got %s %s, want %s %s", tt.method, tt.path, got.RouteKey, params, tt.wantKey, tt.wantParams)
		}
	}
}

func TestConflictingRoutes(t *testing.T) {
	for _, paths := range [][]string{{"/a/{x}", "/a/{y}"}, {"$default", "$default"}, {"/{x+}/b"}, {"a"}} {
		var routes []gateway.Route
		for _, p := range paths {
			routes = append(routes, gateway.Route{Method: "GET", Path: p})
		}
		if _, err := gateway.New(routes, gateway.Options{}); err == nil {
			t.Errorf("%q were accepted", paths)
		}
	}
}

func TestResponses(t *testing.T) {
	url, _ := serve(t, gateway.Options{}, lambda.Config{}, "GET /", "HEAD /")
	for _, tt := range []struct {
		name, reply string
		status      int
		header      http.Header
		body        string
	}{
		{
			"all fields", `{"statusCode":201,"headers":{"X-A":"1","X-N":2,"Content-Length":"999"},"multiValueHeaders":{"X-M":["a","b"]},"cookies":["a=1; Path=/","b=2"],"body":"é"}`,
			201, http.Header{"X-A": {"1"}, "X-N": {"2"}, "X-M": {"a", "b"}, "Set-Cookie": {"a=1; Path=/", "b=2"}, "Content-Type": {"text/plain;charset=utf-8"}, "Content-Length": {"2"}}, "é",
		},
		{"binary", `{"statusCode":"200","headers":{"content-type":"image/png"},"body":"AP8=","isBase64Encoded":true}`, 200, http.Header{"Content-Type": {"image/png"}}, "\x00\xff"},
		{"shorthand object", `{"message":"hi"}`, 200, http.Header{"Content-Type": {"application/json"}}, `{"message":"hi"}`},
		{"shorthand string", `"hi"`, 200, http.Header{"Content-Type": {"application/json"}}, `"hi"`},
		{"no content", `{"statusCode":204}`, 204, http.Header{"Content-Length": nil, "Content-Type": nil}, ``},
		{"nonsense status", `{"statusCode":99}`, 500, nil, `{"message":"Internal Server Error"}`},
		{"nonsense base64", `{"statusCode":200,"body":"*","isBase64Encoded":true}`, 500, nil, `{"message":"Internal Server Error"}`},
	} {
		resp, body := send(t, "GET", url, "", "X-Reply", tt.reply)
		if resp.StatusCode != tt.status || body != tt.body {
			t.Errorf("%s: got %d %q", tt.name, resp.StatusCode, body)
		}
		for name, want := range tt.header {
			if d := cmp.Diff(want, resp.Header[name]); d != "" {
				t.Errorf("%s: %s: %v", tt.name, name, resp.Header)
			}
		}
	}
}

// Answers of the gateway itself.
func TestOwnAnswers(t *testing.T) {
	url, f := serve(t, gateway.Options{Timeout: 300 * time.Millisecond}, lambda.Config{MaxConcurrency: 1}, "POST /")
	release := make(chan struct{})
	arrived := make(chan struct{}, 10)
	gate := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }))
	defer gate.Close()

	expect := func(status int, message, body string, headers ...string) {
		t.Helper()
		resp, got := send(t, "POST", url, body, headers...)
		if resp.StatusCode != status || got != `{"message":"`+message+`"}` || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d %s, want %d %s", resp.StatusCode, got, status, message)
		}
	}
	expect(500, "Internal Server Error", "", "X-Fail", "secret detail")
	expect(431, "Request Header Fields Too Large", "", "X-Long", strings.Repeat("x", 10240))
	expect(413, "Request Entity Too Large", strings.Repeat("x", 10<<20+1))
	expect(413, "Request Entity Too Large", strings.Repeat("x", 6<<20), "Content-Type", "text/plain")

	var wg sync.WaitGroup
	wg.Go(func() { expect(503, "Service Unavailable", "", "X-Wait", gate.URL) })
	<-arrived
	expect(429, "Too Many Requests", "")
	wg.Wait()
	close(release)
	testkit.Await(t, "the function, which finishes after the gateway gave up", func() bool { return f.Stats().Busy == 0 })
	resp, body := send(t, "GET", url, "")
	if resp.StatusCode != 404 || body != `{"message":"Not Found"}` {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestLargeResponse(t *testing.T) {
	url, _ := serve(t, gateway.Options{}, lambda.Config{}, "GET /")
	resp, body := send(t, "GET", url, "", "X-Size", "5000000")
	if resp.StatusCode != 200 || len(body) != 5000002 {
		t.Errorf("got %d, %d bytes", resp.StatusCode, len(body))
	}
}

// BenchmarkNoop measures the rate to which other rates are compared: 32
// connections, and one function without work in ten processes.
func BenchmarkNoop(b *testing.B) {
	url, _ := serve(b, gateway.Options{}, lambda.Config{MaxConcurrency: 10, MemoryMB: 512}, "POST /v1/events")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := []byte(`{"type":"order.created","data":{"id":1}}`)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequest("POST", url+"/v1/events", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Noop", "1")
			resp, err := client.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Fatal(resp.Status)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
