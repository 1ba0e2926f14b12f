package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
)

// lines turns each line of the functions' log, "[portico-publish] {…}", into
// readable text.
type lines struct {
	w     io.Writer
	paint func(code, text string) string
}

func (l lines) Write(data []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(data) {
		function, text := split(line)
		var entry map[string]any
		if json.Unmarshal([]byte(text), &entry) == nil {
			text = l.show(function, entry)
		} else {
			text = function + ": " + text
		}
		out.WriteString(text + "\n")
	}
	_, err := l.w.Write(out.Bytes())
	return len(data), err
}

// split returns the function's name without the stack's, and what it wrote.
func split(line []byte) (function, text string) {
	name, text, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "] ")
	return strings.TrimPrefix(strings.TrimPrefix(name, "["), "portico-"), printable(text)
}

// printable makes control characters visible. A terminal would execute them, and
// the text of a line may come from a request.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (l lines) show(function string, entry map[string]any) string {
	clock := "        "
	if at, err := time.Parse(time.RFC3339Nano, words(entry["timestamp"])); err == nil {
		clock = at.Local().Format(time.TimeOnly)
	}
	switch entry["message"] {
	case "request":
		return l.paint(dim, clock) + " " + l.request(entry)
	case "deliveries recorded":
		return l.paint(dim, clock) + " " + l.deliveries(entry)
	}
	level := words(entry["level"])
	colour := map[string]string{"WARN": yellow, "ERROR": red}[level]
	if colour != "" {
		function = l.paint(colour, level) + " " + function
	}
	return fmt.Sprintf("%s %s: %s%s", l.paint(dim, clock), function, cmp.Or(words(entry["message"]), "(no message)"), rest(entry))
}

// request is like «POST /v1/events 202 8 ms»; for a refused request it also
// shows the reason and the request id.
func (l lines) request(entry map[string]any) string {
	status, _ := entry["status"].(float64)
	colour := green
	switch {
	case status >= 500:
		colour = red
	case status >= 400:
		colour = yellow
	}
	text := fmt.Sprintf("%s %s %s %s", words(entry["method"]), words(entry["path"]), l.paint(colour, words(entry["status"])), milliseconds(entry["RequestLatency"]))
	if status < 400 {
		return text
	}
	if cause := words(entry["cause"]); cause != "" {
		text += "  " + cause
	}
	return text + l.paint(dim, "  request "+words(entry["request_id"]))
}

// deliveries describes a batch: its results and the time of the slowest
// receiver.
func (l lines) deliveries(entry map[string]any) string {
	var parts []string
	for _, count := range []struct{ metric, colour, text string }{
		{"Delivered", green, "delivered"}, {"Failed", yellow, "failed"}, {"Exhausted", red, "of them permanently"}, {"EndpointsDisabled", red, "endpoints disabled"},
	} {
		if n, _ := entry[count.metric].(float64); n > 0 {
			parts = append(parts, l.paint(count.colour, fmt.Sprintf("%g %s", n, count.text)))
		}
	}
	text := "deliveries: " + cmp.Or(strings.Join(parts, ", "), "none")
	if took := entry["AttemptLatency"]; took != nil {
		text += " " + milliseconds(took)
	}
	return text
}

// milliseconds shows a duration; of several, the longest.
func milliseconds(value any) string {
	longest := 0.0
	switch v := value.(type) {
	case float64:
		longest = v
	case []any:
		for _, one := range v {
			n, _ := one.(float64)
			longest = max(longest, n)
		}
	}
	return fmt.Sprintf("%.0f ms", math.Ceil(longest))
}

// rest lists the other fields of a line, without metrics that are zero.
func rest(entry map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(entry)) {
		switch name {
		case "timestamp", "level", "message", "stage", "request_id", "_aws":
			continue
		}
		if entry[name] != 0.0 {
			fmt.Fprintf(&b, " %s=%s", printable(name), words(entry[name]))
		}
	}
	return b.String()
}

func words(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return printable(v)
	}
	text, _ := json.Marshal(value) // came from JSON
	return printable(string(text))
}

// jsonLines writes each line as one JSON object that names its function.
type jsonLines struct{ w io.Writer }

func (l jsonLines) Write(data []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(data) {
		name, text, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("] "))
		function, _ := json.Marshal(string(bytes.TrimPrefix(name, []byte("[")))) // a text
		if object, ok := bytes.CutPrefix(text, []byte(`{"`)); ok && json.Valid(text) {
			fmt.Fprintf(&out, `{"function":%s,"%s`+"\n", function, object)
			continue
		}
		message, _ := json.Marshal(string(text)) // a text
		fmt.Fprintf(&out, `{"function":%s,"message":%s}`+"\n", function, message)
	}
	_, err := l.w.Write(out.Bytes())
	return len(data), err
}
