// Package observe writes the log: one JSON line per request or batch. Its metrics
// are in the same line, in CloudWatch's embedded format, so that a metric costs
// no call and no second line.
package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"portico/shared/jsontext"
)

// Namespace holds all of Portico's metrics.
const Namespace = "Portico"

// Log writes lines for one function. It is safe for concurrent use.
type Log struct {
	*slog.Logger
	w     io.Writer
	stage string
}

// NewLog returns a Log that writes to w. The keys timestamp, level and message
// are the ones that Lambda's JSON log format expects.
func NewLog(w io.Writer, stage string) *Log {
	rename := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			a.Key = "timestamp"
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}
	w = &locked{w: w}
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: rename})
	return &Log{Logger: slog.New(handler), w: w, stage: stage}
}

// locked writes one line after the other. Requests have characters that could end a line,
// turn the direction of writing or hide; people who read the log see them escaped.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := bytes.TrimSuffix(line, []byte("\n"))
	if bytes.IndexFunc(text, jsontext.IsHidden) < 0 {
		return l.w.Write(line)
	}
	_, err := l.w.Write(append(jsontext.Escape(text), '\n'))
	return len(line), err
}

// Metric is a metric in one line, with a value for each measurement, at most 100
// (the format's limit). A metric without values is left out.
type Metric struct {
	Name   string
	Unit   Unit
	Values []float64
}

// One returns a metric of a single value.
func One(name string, unit Unit, value float64) Metric {
	return Metric{Name: name, Unit: unit, Values: []float64{value}}
}

// Unit is a CloudWatch metric unit.
type Unit string

// The units in use.
const (
	Count        Unit = "Count"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
	Percent      Unit = "Percent"
)

// Line writes one line at level with its metrics. The only dimension is the
// stage, because AWS bills each further dimension as more metrics.
func (l *Log) Line(ctx context.Context, level slog.Level, message string, metrics []Metric, attrs ...slog.Attr) {
	if !l.Enabled(ctx, level) {
		return
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	now := time.Now()
	out := append((*buffer)[:0], `{"timestamp":"`...)
	out = now.UTC().AppendFormat(out, time.RFC3339Nano)
	out = append(append(out, `","level":"`...), level.String()...)
	out = jsontext.AppendString(append(out, `","message":`...), message)
	for _, a := range attrs {
		out = appendValue(jsontext.AppendName(out, a.Key), a.Value)
	}
	if id := RequestID(ctx); id != "" {
		out = jsontext.AppendString(jsontext.AppendName(out, "request_id"), id)
	}
	*buffer = append(l.appendMetrics(out, metrics, now), "}\n"...)
	_, _ = l.w.Write(*buffer) // a log that cannot be written cannot report it
}

type requestIDKey struct{}

// WithRequestID returns a context whose lines and problems carry id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the current request or batch, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
