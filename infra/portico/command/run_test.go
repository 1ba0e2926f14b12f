package command

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is one that the API got.
type request struct {
	line, body, key string
}

// api stands for the API: it answers by method and path, and remembers requests. The
// tests of infra/local/e2e use the real one.
type api struct {
	url     string
	answers map[string]string // by "METHOD /path?query": a status and a body

	mu   sync.Mutex
	seen []request
}

func newAPI(t *testing.T, answers map[string]string) *api {
	t.Helper()
	a := &api{answers: answers}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	line := r.Method + " " + r.URL.RequestURI()
	a.mu.Lock()
	a.seen = append(a.seen, request{line, string(body), r.Header.Get("Idempotency-Key")})
	a.mu.Unlock()
	answer, ok := a.answers[line]
	if !ok {
		answer = `404 {"status":404,"code":"no_such_route","detail":"There is no such route.","request_id":"req-404"}`
	}
	status, text, _ := strings.Cut(answer, " ")
	w.WriteHeader(map[string]int{"200": 200, "201": 201, "202": 202, "204": 204, "401": 401, "404": 404, "503": 503}[status])
	_, _ = io.WriteString(w, text)
}

// result is what a run has printed, and its exit code.
type result struct {
	out, err string
	code     int
}

// run runs the command in this process, without a configuration file.
func (a *api) run(t *testing.T, in string, args ...string) result {
	t.Helper()
	return run(t, in, map[string]string{"PORTICO_URL": a.url, "PORTICO_KEY": "ptc_1"}, args...)
}

func run(t *testing.T, in string, env map[string]string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := Run(t.Context(), args, Console{
		In: strings.NewReader(in), Out: &out, Err: &errs, ConfigDir: t.TempDir(),
		Getenv: func(name string) string { return env[name] },
		Wait:   func(context.Context, time.Duration) error { return nil },
	})
	return result{out.String(), errs.String(), code}
}
