// Package gateway serves routes as an API Gateway HTTP API does: its matching,
// its payload format 2.0 in both directions, its limits and its own answers.
package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"portico/infra/local/lambda"
)

// Limits of API Gateway, in bytes.
const (
	maxBody    = 10 << 20
	maxHeaders = 10240 // request line and headers
)

// Invoke runs a function; see lambda.Function.Invoke.
type Invoke func(ctx context.Context, payload []byte) ([]byte, error)

// Route names the function that answers. Path is "$default" for requests that no
// other route matches; Method is "ANY" for every method.
type Route struct {
	Method, Path string
	Invoke       Invoke
}

// Options configure a gateway.
type Options struct {
	Timeout time.Duration                    // of a function's answer; default 30 s, as on AWS
	Logf    func(format string, args ...any) // why the gateway answered for a function; default none
}

type gateway struct {
	router  router
	timeout time.Duration
	logf    func(format string, args ...any)
}

// New returns the handler of an API with these routes.
func New(routes []Route, opts Options) (http.Handler, error) {
	g := &gateway{timeout: opts.Timeout, logf: opts.Logf}
	if g.timeout == 0 {
		g.timeout = 30 * time.Second
	}
	if g.logf == nil {
		g.logf = func(string, ...any) {}
	}
	for _, r := range routes {
		if err := g.router.add(r); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	w.Header().Set("Apigw-Requestid", id)
	if headerBytes(r) > maxHeaders {
		answer(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	body, err := readBody(w, r)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		answer(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	} else if err != nil {
		return // the client went away
	}
	route, parameters := g.router.match(r.Method, r.URL.EscapedPath())
	if route == nil {
		answer(w, http.StatusNotFound, "Not Found")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	event := newEvent(r, id, route, parameters, body).encode()
	payload, err := route.invoke(ctx, event)
	if err == nil {
		err = writeResponse(w, payload)
	}
	if err != nil {
		g.fail(w, r, err)
	}
}

// fail answers in place of the function.
func (g *gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client went away
	}
	g.logf("%s %s: %v", r.Method, r.URL.Path, err)
	switch {
	case errors.Is(err, lambda.ErrThrottled):
		answer(w, http.StatusTooManyRequests, "Too Many Requests")
	case errors.Is(err, lambda.ErrTooLarge):
		answer(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, lambda.ErrClosed):
		answer(w, http.StatusServiceUnavailable, "Service Unavailable")
	default:
		answer(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

func answer(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"`+message+`"}`) // the client may be gone
}

func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("Host: ") + len(r.Host) + 6
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return io.ReadAll(limited)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(limited, body)
	return body, err
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
