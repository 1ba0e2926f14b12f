package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"portico/shared/observe"
)

// line runs log and returns the one line that it wrote. It checks the times, which
// differ in every run, and removes them.
func line(t *testing.T, log func(*observe.Log)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(observe.NewLog(&out, "test"))
	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Fatalf("not one line: %q", out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("not JSON: %v: %s", err, out.String())
	}
	at, err := time.Parse(time.RFC3339Nano, got["timestamp"].(string))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("timestamp %v: %v", got["timestamp"], err)
	}
	delete(got, "timestamp")
	if aws, ok := got["_aws"].(map[string]any); ok {
		if ms := time.UnixMilli(int64(aws["Timestamp"].(float64))); time.Since(ms).Abs() > time.Minute {
			t.Errorf("the metrics' time is %s, not now in milliseconds", ms)
		}
		delete(aws, "Timestamp")
	}
	return got
}

func expect(t *testing.T, want string, got map[string]any) {
	t.Helper()
	var w map[string]any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A line is one JSON object with the keys that Lambda's log format expects, for
// any message.
func TestLine(t *testing.T) {
	expect(t, `{"level":"WARN","message":"two\nlines","cause":"a \"quoted\" one","message_id":"m","group":{"time":"kept"}}`,
		line(t, func(l *observe.Log) {
			l.Line(context.Background(), slog.LevelWarn, "two\nlines", nil,
				slog.String("cause", `a "quoted" one`), slog.String("message_id", "m"), slog.Group("group", slog.String("time", "kept")))
		}))
}

// Every kind of attribute is shown as encoding/json shows it, and one without a
// JSON form does not spoil its line.
func TestAttributes(t *testing.T) {
	expect(t, `{"level":"INFO","message":"m","int":-3,"bool":true,"float":0.25,"none":null,"list":[{"Name":"a","Unit":"Count"}],
		"time":"2026-11-21T00:00:00Z","broken":"cannot be shown: json: unsupported type: chan int"}`,
		line(t, func(l *observe.Log) {
			type one struct{ Name, Unit string }
			l.Line(context.Background(), slog.LevelInfo, "m", nil,
				slog.Int("int", -3), slog.Bool("bool", true), slog.Float64("float", 0.25), slog.Float64("none", math.NaN()),
				slog.Any("list", []one{{"a", "Count"}}), slog.Time("time", time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)), slog.Any("broken", make(chan int)))
		}))
}

// The request id is on every line of a request, and on no other.
func TestRequestID(t *testing.T) {
	ctx := observe.WithRequestID(context.Background(), "req-1")
	if got := observe.RequestID(ctx); got != "req-1" {
		t.Errorf("the context carries %q", got)
	}
	expect(t, `{"level":"INFO","message":"served","request_id":"req-1"}`,
		line(t, func(l *observe.Log) { l.Line(ctx, slog.LevelInfo, "served", nil) }))
	if got := observe.RequestID(context.Background()); got != "" {
		t.Errorf("another context carries %q", got)
	}
}

// Metrics are in the same line, in CloudWatch's embedded format: the directive has
// name and unit, the values follow it, and the stage is the only dimension.
func TestMetrics(t *testing.T) {
	expect(t, `{
		"level": "INFO", "message": "batch", "endpoints": 3, "stage": "test",
		"Delivered": 2, "AttemptLatency": [1.5, 20, 300], "Zero": 0,
		"_aws": {"CloudWatchMetrics": [{"Namespace": "Portico", "Dimensions": [["stage"]], "Metrics": [
			{"Name": "Delivered", "Unit": "Count"},
			{"Name": "AttemptLatency", "Unit": "Milliseconds"},
			{"Name": "Zero", "Unit": "Seconds"}]}]}}`,
		line(t, func(l *observe.Log) {
			l.Line(context.Background(), slog.LevelInfo, "batch", []observe.Metric{
				observe.One("Delivered", observe.Count, 2),
				{Name: "AttemptLatency", Unit: observe.Milliseconds, Values: []float64{1.5, 20, 300}},
				{Name: "Unmeasured", Unit: observe.Count},
				observe.One("Zero", observe.Seconds, 0),
			}, slog.Int("endpoints", 3))
		}))
}

// Without any value there is no directive, because CloudWatch refuses an empty one.
func TestNoValuesNoDirective(t *testing.T) {
	for what, metrics := range map[string][]observe.Metric{
		"no metrics":         nil,
		"an empty list":      {},
		"none has any value": {{Name: "A", Unit: observe.Count}, {Name: "B", Unit: observe.Count, Values: []float64{}}},
	} {
		got := line(t, func(l *observe.Log) { l.Line(context.Background(), slog.LevelInfo, "idle", metrics) })
		if diff := cmp.Diff(map[string]any{"level": "INFO", "message": "idle"}, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", what, diff)
		}
	}
}

// Lines written at the same time do not mix.
func TestConcurrentLines(t *testing.T) {
	var out bytes.Buffer // Log locks around each write
	l := observe.NewLog(&out, "test")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				l.Info("another way")
				l.Line(context.Background(), slog.LevelInfo, strings.Repeat("x", 1000), []observe.Metric{observe.One("N", observe.Count, 1)})
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1600 {
		t.Errorf("%d lines, want 1600", len(lines))
	}
	for _, text := range lines {
		if !json.Valid([]byte(text)) {
			t.Fatalf("not JSON: %s", text)
		}
	}
}

// What a request has cannot hide in a line, end it or turn the direction of writing for
// people who read it; a program reads the same text.
func TestHiddenCharactersAreEscaped(t *testing.T) {
	const hostile = "a\r\n{}\u202eb\u2028\u0085\u009b\U000e0041"
	for name, log := range map[string]func(*observe.Log){
		"a line": func(l *observe.Log) {
			l.Line(context.Background(), slog.LevelInfo, "request", nil, slog.String("path", hostile))
		},
		"of slog": func(l *observe.Log) { l.Info("request", "path", hostile) },
	} {
		var out bytes.Buffer
		log(observe.NewLog(&out, "test"))
		text := strings.TrimSuffix(out.String(), "\n")
		var got struct{ Path string }
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Path != hostile || strings.ContainsFunc(text, isUnprintable) {
			t.Errorf("%s: %v, %q", name, err, text)
		}
	}
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }
