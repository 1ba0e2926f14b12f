// Package visit has what all handlers of HTTP need of a request that are not operations of
// the API. It links no templates.
package visit

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"portico/shared/audit"
	"portico/shared/observe"
)

// Address returns where a request is from, as the gateway saw it; the zero one: unknown.
func Address(r *http.Request) netip.Addr {
	if both, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return both.Addr().Unmap()
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	return address.Unmap()
}

// Origin returns what histories and audit logs keep of where a request is from.
func Origin(r *http.Request) audit.Origin {
	return audit.Origin{RequestID: observe.RequestID(r.Context()), SourceIP: Address(r), UserAgent: r.UserAgent()}
}

// Record writes the one log line of a request, with its metrics. It has neither the query, the
// body nor the reply.
func Record(log *observe.Log, message string, r *http.Request, status int, cause error, took time.Duration, more ...slog.Attr) {
	attrs := append([]slog.Attr{slog.String("method", r.Method), slog.Int("status", status)}, more...)
	if cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	level, serverErrors := slog.LevelInfo, 0.0
	if status >= http.StatusInternalServerError {
		level, serverErrors = slog.LevelError, 1
	}
	log.Line(r.Context(), level, message, []observe.Metric{
		observe.One("Requests", observe.Count, 1),
		observe.One("RequestLatency", observe.Milliseconds, float64(took.Microseconds())/1000),
		observe.One("ServerErrors", observe.Count, serverErrors),
	}, attrs...)
}
