package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/clock"
)

// answers serves one answer after the other; the last one again and again.
type answers struct {
	list []func(w http.ResponseWriter)

	mu  sync.Mutex
	got []*http.Request
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	n := min(len(a.got), len(a.list)-1)
	a.got = append(a.got, r.Clone(context.Background()))
	a.mu.Unlock()
	a.list[n](w)
}

// seen returns the requests so far.
func (a *answers) seen() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

func status(code int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// newClient returns a client that does not wait, but remembers how long it would.
func newClient(t *testing.T, list ...func(http.ResponseWriter)) (*Client, *answers, *[]time.Duration) {
	t.Helper()
	a, waits := &answers{list: list}, &[]time.Duration{}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return &Client{
		URL: server.URL, Key: "ptc_1", Organization: "org_1", Agent: "test", Retries: 4, HTTP: NewHTTP(time.Minute),
		Wait:  func(_ context.Context, d time.Duration) error { *waits = append(*waits, d); return nil },
		Again: func(string, time.Duration) {},
	}, a, waits
}

// What fails for now is sent again, after the time that the API asks for, and a
// mutation with the same Idempotency-Key each time.
func TestRepeated(t *testing.T) {
	ok := status(200, `{"a": 1}`)
	for _, c := range []struct {
		name  string
		list  []func(http.ResponseWriter)
		waits []time.Duration // at least; at most a second more
	}{
		{"at once", []func(http.ResponseWriter){ok}, nil},
		{"429 with Retry-After", []func(http.ResponseWriter){status(429, `{}`, "Retry-After", "7"), ok}, []time.Duration{7 * time.Second}},
		{"503 backs off", []func(http.ResponseWriter){status(503, ``), status(503, ``), status(503, ``), ok}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"a connection that ends", []func(http.ResponseWriter){hangUp, ok}, []time.Duration{time.Second}},
		{"500 and 502", []func(http.ResponseWriter){status(500, `{}`), status(502, `<html>`), ok}, []time.Duration{time.Second, 2 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, a, waits := newClient(t, c.list...)
			reply, err := client.Do(t.Context(), Request{Method: "POST", Path: "/v1/events", Body: []byte(`{}`)})
			if err != nil || string(reply) != `{"a": 1}` {
				t.Fatalf("%s, %v", reply, err)
			}
			if len(*waits) != len(c.waits) {
				t.Fatalf("waits %v, want %v", *waits, c.waits)
			}
			for i, w := range *waits {
				if w < c.waits[i] || w >= c.waits[i]+time.Second {
					t.Errorf("wait %d: %v, want %v and up to a second more", i, w, c.waits[i])
				}
			}
			key := a.seen()[0].Header.Get("Idempotency-Key")
			for _, r := range a.seen() {
				if got := r.Header.Get("Idempotency-Key"); got == "" || got != key {
					t.Errorf("Idempotency-Key %q after %q", got, key)
				}
			}
			if r := a.seen()[0]; r.Header.Get("Authorization") != "Bearer ptc_1" || r.Header.Get("Portico-Organization") != "org_1" {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
}

// Reads and repeatable operations have no Idempotency-Key.
func TestNoKeyWithoutNeed(t *testing.T) {
	client, a, _ := newClient(t, status(204, ""))
	for _, r := range []Request{{Method: "GET", Path: "/"}, {Method: "POST", Path: "/", Repeatable: true}} {
		if _, err := client.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range a.seen() {
		if k := r.Header.Get("Idempotency-Key"); k != "" {
			t.Errorf("%s has the key %q", r.Method, k)
		}
	}
}

// What the API refuses is not sent again, and the error says what it said.
func TestRefused(t *testing.T) {
	problem := `{"status":422,"code":"invalid_request","detail":"The request has fields that cannot be accepted.","request_id":"req-1","errors":[{"location":"body.url","message":"is required"}]}`
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		parts  []string
	}{
		{"a problem", status(422, problem), []string{"cannot be accepted.", "body.url: is required", "status 422", "invalid_request", "request id req-1"}},
		{"the gateway", status(413, `{"message":"Request Too Long"}`, "X-Request-Id", "req-2"), []string{"The gateway answered: Request Too Long.", "req-2"}},
		{"a redirect", status(301, "", "Location", "/elsewhere"), []string{"leads to /elsewhere"}},
		{"another server", status(404, "<html>"), []string{"not an answer of Portico's API"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, a, _ := newClient(t, c.answer)
			_, err := client.Do(t.Context(), Request{Method: "POST", Path: "/"})
			var refused *Refused
			if !errors.As(err, &refused) || errors.As(err, new(*Unavailable)) || len(a.seen()) != 1 {
				t.Fatalf("%v after %d requests", err, len(a.seen()))
			}
			for _, part := range c.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q has no %q", err, part)
				}
			}
		})
	}
}

// In the end the user is told, with the key by which a mutation that may have been
// done can be repeated.
func TestGivesUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		method  string
		answer  func(http.ResponseWriter)
		sent    int
		withKey bool
	}{
		{"503: nothing was done", "POST", status(503, `{"code":"unavailable"}`), 5, false},
		{"503 of the gateway", "POST", status(503, `{"message":"Service Unavailable"}`), 5, true},
		{"502: it may have been done", "POST", status(502, ``), 5, true},
		{"no answer", "POST", hangUp, 5, true},
		{"a read", "GET", status(502, ``), 5, false},
		{"a wait that is too long", "POST", status(429, ``, "Retry-After", "3600"), 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, a, _ := newClient(t, c.answer)
			_, err := client.Do(t.Context(), Request{Method: c.method, Path: "/"})
			var unavailable *Unavailable
			if !errors.As(err, &unavailable) || (unavailable.IdempotencyKey != "") != c.withKey {
				t.Fatalf("%+v", err)
			}
			// net/http itself sends a read again when a kept connection has ended.
			if len(a.seen()) != c.sent {
				t.Errorf("%d requests, want %d", len(a.seen()), c.sent)
			}
		})
	}
}

// Nobody at the address: the user is told at once.
func TestNobodyThere(t *testing.T) {
	client, _, waits := newClient(t, hangUp)
	client.URL = "http://127.0.0.1:1"
	_, err := client.Do(t.Context(), Request{Method: "POST", Path: "/"})
	var unavailable *Unavailable
	if !errors.As(err, &unavailable) || unavailable.IdempotencyKey != "" || len(*waits) != 0 || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v after %v", err, *waits)
	}
}

// Ctrl-C ends the waiting.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client, a, _ := newClient(t, status(503, ``))
	client.Wait = func(ctx context.Context, d time.Duration) error { cancel(); return clock.Sleep(ctx, d) }
	if _, err := client.Do(ctx, Request{Method: "GET", Path: "/"}); !errors.Is(err, context.Canceled) || len(a.seen()) != 1 {
		t.Errorf("%v after %d requests", err, len(a.seen()))
	}
}
