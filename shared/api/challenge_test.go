package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/captcha"
	"portico/shared/dynamo"
	"portico/shared/observe"
	"portico/shared/testkit"
)

// chrome are the headers with which Chrome fetches.
var chrome = []string{
	"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Accept", "*/*", "Accept-Language", "en", "Accept-Encoding", "gzip, deflate, br, zstd", "Origin", "https://app.example.com",
	"Sec-CH-UA", `"Chromium";v="142"`, "Sec-CH-UA-Mobile", "?0", "Sec-CH-UA-Platform", `"Windows"`,
	"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty",
}

// challenged is a server whose operations demand CAPTCHAs, with a stand-in for the
// vendor, which accepts every token.
type challenged struct {
	*testing.T
	server *edge.Server
	lines  *testkit.Log
	asked  atomic.Int64
	config captcha.Config
	used   dynamo.Table
}

func newChallenged(t *testing.T) *challenged {
	t.Helper()
	c := &challenged{T: t, lines: &testkit.Log{}}
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.asked.Add(1)
		_, _ = io.WriteString(w, `{"success":true,"action":"signIn","hostname":"app.example.com"}`)
	}))
	t.Cleanup(vendor.Close)
	db := testkit.DB(t)
	client, name := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	c.used = dynamo.NewTable(client, name, "id")
	c.config = captcha.Config{Vendor: captcha.Turnstile, Endpoint: vendor.URL, SiteKey: "the-site-key", Secret: "the-secret"}
	c.server = &edge.Server{Services: edge.Services{Clock: db.Clock}, Log: observe.NewLog(c.lines, "test")}
	return c
}

// serve starts the operation signIn with a challenge.
func (c *challenged) serve(challenge *captcha.Challenge) http.Handler {
	c.Helper()
	c.server.Captcha.Verifier = captcha.NewVerifier(c.config, c.used, c.server.Clock)
	c.server.Captcha.Count = c.count(map[netip.Addr]int64{})
	handler, err := c.server.Handler(edge.Global[none, none]{
		Op: edge.Op{
			ID: "signIn", Method: "POST", Path: "/v1/sign-ins", Function: "sign-in", Summary: "Sign in", Permission: auth.Public, Audit: "session.start",
			Challenge: challenge,
		},
		Handle: func(*edge.Call, *none) (*none, error) { return &none{}, nil },
	})
	if err != nil {
		c.Fatal(err)
	}
	return handler
}

// count counts in memory, as the limiter does in DynamoDB.
func (c *challenged) count(sent map[netip.Addr]int64) captcha.Count {
	return func(_ context.Context, from netip.Addr, _ string, limit int64, _ time.Duration) (bool, error) {
		sent[from]++
		return sent[from] > limit, nil
	}
}

// from sends a request from an address. A nil headers is a program without any.
func (c *challenged) from(handler http.Handler, address, token string, headers []string) apitest.Reply {
	c.Helper()
	r := httptest.NewRequest("POST", "/v1/sign-ins", nil)
	r.RemoteAddr = address
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if token != "" {
		r.Header.Set("Portico-Captcha-Token", token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return apitest.Reply{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}

const widget = `"captcha":{"vendor":"turnstile","site_key":"the-site-key","action":"signIn"}`

// Below the threshold an operation is free. After it each request of that address
// needs the token of a solved CAPTCHA, each token works once, and other addresses
// stay free.
func TestChallengeAfterThreshold(t *testing.T) {
	t.Parallel()
	c := newChallenged(t)
	handler := c.serve(&captcha.Challenge{After: 3, Window: time.Minute})
	const here, there = "203.0.113.7", "203.0.113.8"
	for range 3 {
		apitest.Want(t, c.from(handler, here, "", chrome), "204")
	}
	if c.asked.Load() > 0 {
		t.Error("the vendor was asked below the threshold")
	}
	apitest.Want(t, c.from(handler, here, "", chrome), "403 captcha_required "+widget)
	apitest.Want(t, c.from(handler, there, "", chrome), "204")
	apitest.Want(t, c.from(handler, here, "first", chrome), "204")
	apitest.Want(t, c.from(handler, here, "first", chrome), "403 captcha_invalid "+widget)
	apitest.Want(t, c.from(handler, here, strings.Repeat("x", 2049), chrome), "403 captcha_invalid")
	apitest.Want(t, c.from(handler, here, "token-2", chrome), "204")
	if log := c.lines.String(); !strings.Contains(log, `"captcha_demanded_by":"count"`) || strings.Contains(log, "token-2") || strings.Contains(log, "the-secret") {
		t.Errorf("the log is\n%s", log)
	}
}

// A challenge by score demands a CAPTCHA from a program and not from a browser, and
// the log has the score and what it was made of.
func TestChallengeByScore(t *testing.T) {
	t.Parallel()
	c := newChallenged(t)
	handler := c.serve(&captcha.Challenge{Score: 50})
	apitest.Want(t, c.from(handler, "203.0.113.7", "", chrome), "204")
	curl := []string{"User-Agent", "curl/8.11.0", "Accept", "*/*"}
	apitest.Want(t, c.from(handler, "203.0.113.7", "", curl), "403 captcha_required")
	apitest.Want(t, c.from(handler, "203.0.113.7", "solved", curl), "204")
	var lines []struct {
		Score   *int   `json:"bot_score"`
		Signals string `json:"bot_signals"`
	}
	for line := range strings.Lines(c.lines.String()) {
		lines = append(lines, struct {
			Score   *int   `json:"bot_score"`
			Signals string `json:"bot_signals"`
		}{})
		testkit.Must(t, json.Unmarshal([]byte(line), &lines[len(lines)-1]))
	}
	if len(lines) != 3 || lines[0].Score == nil || *lines[0].Score != 0 || lines[0].Signals != "" || *lines[1].Score != 100 ||
		lines[1].Signals != "not_a_browser no_accept_language no_accept_encoding" {
		t.Errorf("the log is\n%s", c.lines)
	}
}

// Without a secret, without a verifier, and while the vendor, the table or the count
// is away, an operation that demands a CAPTCHA is closed, and the caller learns
// nothing of why.
func TestChallengeFailsClosed(t *testing.T) {
	t.Parallel()
	c := newChallenged(t)
	always := &captcha.Challenge{}
	apitest.Want(t, c.from(c.serve(always), "203.0.113.7", "", chrome), "403 captcha_required")
	secret := c.config.Secret
	c.config.Secret = ""
	handler := c.serve(always)
	for _, token := range []string{"", "solved"} {
		r := c.from(handler, "203.0.113.7", token, chrome)
		apitest.Want(t, r, "503 captcha_unavailable !secret")
		if r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if !strings.Contains(c.lines.String(), "no CAPTCHA secret is configured") {
		t.Errorf("the log does not say why:\n%s", c.lines)
	}
	c.config.Secret = secret
	handler = c.serve(always)
	c.server.Captcha = captcha.Gate{}
	apitest.Want(t, c.from(handler, "203.0.113.7", "solved", chrome), "503 captcha_unavailable")

	handler = c.serve(&captcha.Challenge{After: 10, Window: time.Minute})
	c.server.Captcha.Count = nil
	apitest.Want(t, c.from(handler, "203.0.113.7", "", chrome), "403 captcha_required")
	c.config.Endpoint = "http://127.0.0.1:1/"
	apitest.Want(t, c.from(c.serve(always), "203.0.113.7", "solved", chrome), "503 captcha_unavailable !127.0.0.1")
}

// An operation with an incomplete challenge does not start.
func TestIncompleteChallengeDoesNotStart(t *testing.T) {
	t.Parallel()
	op := edge.Op{
		ID: "signIn", Method: "POST", Path: "/v1/sign-ins", Function: "sign-in", Summary: "Sign in", Permission: auth.Public, Audit: "session.start",
		Challenge: &captcha.Challenge{After: 3},
	}
	_, err := (&edge.Server{}).Handler(edge.Global[none, none]{Op: op})
	if err == nil || !strings.Contains(err.Error(), "signIn") || !strings.Contains(err.Error(), "window") {
		t.Errorf("%v", err)
	}
	op.Challenge = &captcha.Challenge{}
	if n := edge.NeedsOf([]edge.Operation{edge.Global[none, none]{Op: op}}); !n.Captcha {
		t.Error("an operation with a challenge does not need the verifier")
	}
}
