package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"time"

	"portico/shared/apikey"
	"portico/shared/observe"
)

const RequestIDHeader = "X-Request-Id"

// observe wraps all handlers: it sets the request id, recovers from a panic and
// writes the request's log line.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c, r := s.newCall(w, r)
		answer := &answer{ResponseWriter: w}
		guard(answer.Header())
		answer.Header().Set(RequestIDHeader, observe.RequestID(r.Context()))
		defer func() {
			if p := recover(); p != nil {
				c.cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				if answer.status == 0 {
					refuse(answer, newProblem(c, c.cause))
				}
			}
			s.recordRefusal(c)
			s.charge(c)
			s.logRequest(r, c, answer.status, time.Since(start))
		}()
		if path.Clean(r.URL.Path) != r.URL.Path || r.URL.Path == "*" {
			notFound(answer, r) // otherwise the mux would redirect, or answer without a problem
			return
		}
		next.ServeHTTP(answer, r)
	})
}

// answer remembers the status of a response.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

func (s *Server) logRequest(r *http.Request, c *Call, status int, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
	}
	attrs = append(attrs, scored(c.Score)...)
	if c.op != nil {
		attrs = append(attrs, slog.String("operation", c.op.ID))
		if c.op.Audit != "" {
			attrs = append(attrs, slog.String("audit", c.op.Audit))
		}
	}
	if !c.Caller.Org.IsZero() {
		attrs = append(attrs, slog.String("organization", c.Caller.Org.String()))
	}
	if c.Caller.IsKnown() {
		attrs = append(attrs, slog.String(c.Caller.Actor.Type, c.Caller.Actor.ID))
	}
	if c.Caller.For.ID != "" {
		attrs = append(attrs, slog.String("for_"+c.Caller.For.Type, c.Caller.For.ID))
	}
	if c.Caller.IsStaff() {
		attrs = append(attrs, slog.String("staff_name", c.Caller.Actor.Name))
	}
	if c.cause != nil {
		attrs = append(attrs, slog.String("cause", c.cause.Error()))
	}
	level, serverErrors := slog.LevelInfo, 0.0
	switch {
	case errors.Is(c.cause, apikey.ErrNotLookedUp):
		// Any client can cause it, so it must not raise the alarm that rolls
		// deployments back.
		level = slog.LevelWarn
		c.Measure(observe.One("KeysNotLookedUp", observe.Count, 1))
	case status >= 500:
		level, serverErrors = slog.LevelError, 1
	}
	s.Log.Line(r.Context(), level, "request", append([]observe.Metric{
		observe.One("Requests", observe.Count, 1),
		observe.One("RequestLatency", observe.Milliseconds, float64((took-c.paused).Microseconds())/1000),
		observe.One("ServerErrors", observe.Count, serverErrors),
	}, c.metrics...), append(attrs, c.notes...)...)
}

// guard sets headers for browsers and caches on every reply; an operation may
// change them. Replies must not be cached (many contain secrets), their type must
// not be guessed, and they must not run scripts or be shown in a frame.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
}
