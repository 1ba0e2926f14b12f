// Package observe writes the log: one JSON line per request or batch. Its metrics
// are in the same line, in CloudWatch's embedded format, so that a metric costs
// no call and no second line.
package observe

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Namespace holds all of Portico's metrics.
const Namespace = "Portico"

// Log writes lines for one function. It is safe for concurrent use.
type Log struct {
	*slog.Logger
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
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: rename})
	return &Log{Logger: slog.New(handler), stage: stage}
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
)

// definition is an entry of CloudWatchMetrics[].Metrics, see
// «Specification: embedded metric format» in the CloudWatch manual.
type definition struct {
	Name string
	Unit Unit
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type metadata struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

// Line writes one line at level with its metrics. The only dimension is the
// stage, because AWS bills each further dimension as more metrics.
func (l *Log) Line(ctx context.Context, level slog.Level, message string, metrics []Metric, attrs ...slog.Attr) {
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	d := directive{Namespace: Namespace, Dimensions: [][]string{{"stage"}}}
	for _, m := range metrics {
		switch len(m.Values) {
		case 0:
			continue
		case 1:
			attrs = append(attrs, slog.Float64(m.Name, m.Values[0]))
		default:
			attrs = append(attrs, slog.Any(m.Name, m.Values))
		}
		d.Metrics = append(d.Metrics, definition{m.Name, m.Unit})
	}
	if len(d.Metrics) > 0 {
		attrs = append(attrs, slog.String("stage", l.stage),
			slog.Any("_aws", metadata{Timestamp: time.Now().UnixMilli(), CloudWatchMetrics: []directive{d}}))
	}
	l.LogAttrs(ctx, level, message, attrs...)
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
