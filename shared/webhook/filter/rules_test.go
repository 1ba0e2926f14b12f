package filter_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/shared/webhook/filter"
)

// A filter that could cost more than its size times the size of the data, or that
// is not valid, is refused with one short line: the error and its position.
func TestRefusedFilters(t *testing.T) {
	long := strings.Repeat("a", 1100)
	for _, tt := range []struct{ name, filter, want string }{
		{"1,025 characters", `data.` + long[:1010] + ` == 1     `, "1024 characters"},
		{"a NUL", "data == \"\x00\"", "U+0000"},
		{"only a space", ` `, "unexpected"},
		{"a syntax error", "data.amount >\n&& data", "line 2, column 1"},
		{"an open quote", `data == "` + long[:900], "not terminated"},
		{"a long word", `data ` + long[:1000], "… (line 1, column 6)"},
		{"129 parts", strings.Repeat("-", 128) + "data == 1", "maximum allowed nodes"},
		{"a number", `data.a * 2.5 / 1`, "expected bool"},
		{"a text", `type`, "expected bool"},
		{"nil", `nil`, "expected bool"},
		{"texts added up", `type + type == data`, "mismatched"},
		{"an unknown name", `date.amount > 1`, "type and data, and the functions"},
		{"the whole environment", `$env["data"] == 1`, "type and data, and the functions"},
		{"a range", `data in 1..1000000`, "ranges"},
		{"a variable", `let a = data; data == 1`, "without let"},
		{"a sequence", `data; true`, "let and ;"},
		{"an object", `{"a": data} == data`, "cannot use"},
		{"an unknown function", `foo(data)`, "no foo: "},
		{"a member as a function", `data.foo()`, "no data.foo: "},
		{"an optional member as a function", `data?.foo() == 1`, "filters have no"},
		{"a cut set", `trim(data.a, data.b) == ""`, "trim"},
		{"a predicate inside another", `any(data.a, any(#.b, # == 1))`, "cannot be nested"},
		{"… in a pipe", `data.a | any(#.b | none(# == 1))`, "cannot be nested"},
		{"data in a predicate", `any(data.a, # == data.b)`, "inside any, all and none"},
		{"data in a list", `any([data, data], # == 1)`, "a list may contain"},
		{"a pattern that is data", `data.a matches data.b`, "text in quotes"},
		{"a pattern that is made", `data.a matches "a" + "b"`, "text in quotes"},
		{"a broken pattern", `data.a matches "("`, "error parsing regexp"},
		{"a broken pattern of two lines", `data.a matches "(\n"`, "error parsing regexp"},
		{"a large pattern", `data.a matches "(a?){500}"`, "patterns are too large"},
		{"a pattern that repeats much", `data.a matches "a{1,1000}"`, "patterns are too large: shorten them, or repeat less in {} (line 1, column 16)"},
		{"a pattern that is not to match", `not (data.a not matches "a{1000}")`, "patterns are too large"},
		{"a large pattern in a predicate", `any(data, # matches "a{1000}")`, "patterns are too large"},
		{"large patterns together", `data.a matches "a{80}" || data.b matches "a{80}"`, "patterns are too large"},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.filter, tt.want) })
	}
	for _, name := range strings.Fields(`abs all any bitand bitnand bitnot bitor bitshl bitshr bitushr bitxor ceil concat count date duration
		filter find findIndex findLast findLastIndex first flatten float floor fromBase64 fromJSON fromPairs get groupBy hasPrefix hasSuffix
		indexOf int join keys last lastIndexOf map max mean median min none now one reduce repeat replace reverse round sort sortBy split
		splitAfter string sum take timezone toBase64 toJSON toPairs trimPrefix trimSuffix type uniq values`) {
		if name == "any" || name == "all" || name == "none" {
			continue
		}
		for _, arguments := range []string{"data", "data, #", "data, 2", "data, # + #acc"} {
			refused(t, name+"("+arguments+") == data", "")
		}
	}
}

func refused(t *testing.T, text, want string) {
	t.Helper()
	err := filter.Check(text)
	if err == nil {
		t.Errorf("%q is accepted", text)
		return
	}
	if message := err.Error(); !strings.Contains(message, want) || strings.ContainsAny(message, "\n\r\x00") || len(message) > 600 {
		t.Errorf("%q is refused with %q, want %q in one line", text, message, want)
	}
}

// A filter is refused without expanding it. The test counts allocated bytes,
// because times depend on the machine.
func TestRefusedPatternsAreCheap(t *testing.T) {
	for _, pattern := range []string{"a{1,1000}", strings.Repeat("a{1000}", 100), strings.Repeat("(a{0,1000})", 80), strings.Repeat("(^|$){1000}", 80), "((((a{10}){10}){10}){10}){10}"} {
		text := `data matches "` + pattern + `" || true`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refused(t, text, "")
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%.20s: %d KB to refuse %d characters", pattern, used>>10, len(pattern))
		}
	}
}

// A filter exactly at the limits is accepted.
func TestLargestFilters(t *testing.T) {
	for _, text := range []string{
		`data == "` + strings.Repeat("é", 1024-10) + `"`,
		strings.Repeat("-", 124) + "data == 1",
		`data.a matches "a{120}"`,
		`any(data.a | any(# == 1) ? data.b : data.c, # == 1)`,
	} {
		if err := filter.Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Random sequences of these words are often accepted as filters.
var words = []string{
	"data", "type", "data.a", "data.b", "data?.a", "data.a?.b", "data[0]", "data[-1]", "data[0:2]", ".a", "#", "nil", "true", "0", "1", "2.5", `""`, `"a"`, `"a" in data`,
	"1e999", "9223372036854775807", `["a", 1]`, "[]", "(", ")", "[", "]", "{", "}", ",", ";", ":", "?", "?.", "??", "|", "..", "let a =", "if",
	"==", "!=", "<", ">=", "+", "-", "*", "/", "%", "**", "^", "!", "not", "and", "||", "in", "contains", "startsWith", "endsWith", "matches", `matches "a+"`,
	"len(", "lower(", "upper(", "trim(", "any(", "all(data, ", "none(data.a, ", "any(data, # == 1)", "all(data.a, .b != 1)", "map(", "len(data)", "lower(data.a)", "\"\x00", "é",
}

// anyFilter draws something like an expression.
func anyFilter(r *rapid.T) string {
	if rapid.Bool().Draw(r, "free") {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 12).Draw(r, "words"), " ")
	}
	var grow func(depth int) string
	grow = func(depth int) string {
		if depth == 0 {
			return rapid.SampledFrom(words[:24]).Draw(r, "leaf")
		}
		operator := rapid.SampledFrom(words[39:62]).Draw(r, "operator")
		switch shape := rapid.IntRange(0, 5).Draw(r, "shape"); shape {
		case 0:
			return rapid.SampledFrom([]string{"any", "all", "none"}).Draw(r, "loop") + "(" + grow(0) + ", " + grow(depth-1) + ")"
		case 1:
			return rapid.SampledFrom([]string{"len", "lower", "trim", "!", "-"}).Draw(r, "function") + "(" + grow(depth-1) + ")"
		case 2:
			return grow(depth-1) + " ? " + grow(depth-1) + " : " + grow(depth-1)
		}
		return "(" + grow(depth-1) + ") " + operator + " (" + grow(depth-1) + ")"
	}
	return grow(rapid.IntRange(0, 4).Draw(r, "depth"))
}

// anyData draws JSON.
func anyData(r *rapid.T, depth int) string {
	scalars := []string{"null", "true", "false", "0", "-1", "1.0", "1e999", "-0", "9007199254740993", "123456789012345678901234567890", `""`, `"a"`, `"\ud800"`}
	kind := 0
	if depth > 0 {
		kind = rapid.IntRange(0, 2).Draw(r, "kind")
	}
	switch kind {
	case 1:
		return fmt.Sprintf(`[%s,%s]`, anyData(r, depth-1), anyData(r, depth-1))
	case 2:
		return fmt.Sprintf(`{"a":%s,"b":%s}`, anyData(r, depth-1), anyData(r, depth-1))
	}
	return rapid.SampledFrom(scalars).Draw(r, "scalar")
}

// The check panics on no expression. An accepted filter panics on no data and
// gives the same result each time.
func TestFiltersNeverFail(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(r *rapid.T) {
		text := anyFilter(r)
		if filter.Check(text) != nil {
			return
		}
		accepted++
		e := filter.Event{Type: "invoice.paid", Data: json.RawMessage(anyData(r, 3))}
		if first := e.Meets(text); first != e.Meets(text) {
			r.Fatalf("%s holds for %s and does not", text, e.Data)
		}
	})
	if accepted == 0 {
		t.Error("no filter was accepted: the test shows nothing")
	}
}
