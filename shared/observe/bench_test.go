package observe_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"portico/shared/observe"
)

// What a request's line costs.
func BenchmarkLine(b *testing.B) {
	l := observe.NewLog(io.Discard, "test")
	ctx := observe.WithRequestID(context.Background(), "a8f5f167-0a57-4f1c-a5a0-3f4d0d9c7a11")
	b.ReportAllocs()
	for b.Loop() {
		l.Line(ctx, slog.LevelInfo, "request", []observe.Metric{
			observe.One("Requests", observe.Count, 1), observe.One("RequestLatency", observe.Milliseconds, 1.234), observe.One("ServerErrors", observe.Count, 0),
		}, slog.String("method", "POST"), slog.String("path", "/v1/events"), slog.Int("status", 202), slog.String("organization", "org_01jdf3z9k2e4nv6xq8r0s1t2v3"))
	}
}
