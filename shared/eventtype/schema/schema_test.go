package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portico/shared/eventtype/schema"
)

func compile(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// validate returns the violations, one per line.
func validate(t *testing.T, s *schema.Schema, data string) string {
	t.Helper()
	list, err := s.Validate(context.Background(), json.RawMessage(data))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range list {
		lines = append(lines, fmt.Sprintf("%s %s (%s)", v.Path, v.Message, v.Rule))
	}
	return strings.Join(lines, "\n")
}

const invoice = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/invoice",
	"type": "object", "required": ["id", "customer"], "additionalProperties": false,
	"properties": {
		"id": {"type": "string", "pattern": "^in_"}, "total": {"type": "number", "minimum": 0},
		"customer": {"$ref": "#/$defs/customer"}, "items": {"type": "array", "items": {"$ref": "#item"}},
		"my key": {"enum": ["a", "b"]}
	},
	"$defs": {
		"customer": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}},
		"item": {"$dynamicAnchor": "item", "anyOf": [{"type": "string"}, {"properties": {"parts": {"type": "array", "items": {"$dynamicRef": "#item"}}}, "type": "object"}]}
	}
}`

// A violation names the place in the data, what is wrong there, and the rule.
func TestViolations(t *testing.T) {
	s := compile(t, invoice)
	for _, tt := range []struct{ data, want string }{
		{`{"id":"in_1","customer":{"email":"a@example.com"},"total":1.10,"items":["x",{"parts":["y",{}]}]}`, ``},
		{`{"id":"1","customer":{}}`, ".customer.email is missing (#/$defs/customer/required)\n.id is not valid: '1' does not match pattern '^in_' (#/properties/id/pattern)"},
		{`{"id":"in_1","customer":{"email":"a"},"extra":1}`, `.extra is not allowed (#/additionalProperties)`},
		{`{"id":"in_1","customer":{"email":"a"},"total":-1}`, `.total is not valid: minimum: got -1, want 0 (#/properties/total/minimum)`},
		{`{"id":"in_1","customer":{"email":"a"},"items":["x",{"parts":[7]}]}`, `.items[1] is not valid: 'anyOf' failed (#/$defs/item/anyOf)`},
		{`{"id":"in_1","customer":{"email":"a"},"my key":"c"}`, `["my key"] is not valid: value must be one of 'a', 'b' (#/properties/my key/enum)`},
		{`[]`, ` is not valid: got array, want object (#/type)`},
		{`{"id":"in_1","customer":{"email":"a"},"total":1e999999}`, ` has a number with more than 400 digits, or an exponent beyond 400 (#)`},
	} {
		if got := validate(t, s, tt.data); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.data, got, tt.want)
		}
	}
	many := validate(t, compile(t, `{"items":{"type":"string"}}`), "["+strings.Repeat("1,", 20_000)+"1]")
	if n := strings.Count(many, "\n") + 1; n != 10 {
		t.Errorf("%d violations of many are named", n)
	}
}

// What Compile refuses, and what it says.
func TestRefusedSchemas(t *testing.T) {
	for _, tt := range []struct{ name, schema, want string }{
		{"no JSON", `{`, "must be JSON"},
		{"a list", `[]`, "must be a JSON Schema"},
		{"a boolean", `true`, "must be a JSON Schema"},
		{"an unknown type", `{"properties":{"a":{"type":"text"}}}`, "at /properties/a/type"},
		{"a wrong member", `{"minimum":"1"}`, "at /minimum it is not"},
		{"an older draft", `{"$schema":"http://json-schema.org/draft-07/schema#"}`, "draft 2020-12"},
		{"an older draft inside", `{"properties":{"a":{"$schema":"http://json-schema.org/draft-07/schema#"}}}`, "only be at the top"},
		{"a base inside", `{"$defs":{"a":{"$id":"https://example.com/"}}}`, "only be at the top"},
		{"a reference to a server", `{"$ref":"https://example.com/schema.json"}`, "refer only to itself"},
		{"a reference to a file", `{"$ref":"file:///etc/passwd"}`, "refer only to itself"},
		{"a reference to a path", `{"properties":{"a":{"$ref":"other.json#/a"}}}`, "refer only to itself"},
		{"a reference to nothing", `{"$ref":"#/$defs/a"}`, "no subschema there"},
		{"a reference to no schema", `{"$ref":"#/properties","properties":{"a":{"$ref":"https://example.com/"}}}`, "no subschema there"},
		{"a reference into an example", `{"$ref":"#/examples/0","examples":[{"$id":"x"}]}`, "no subschema there"},
		{"a reference to itself", `{"$ref":"#"}`, "never end"},
		{"references in a circle", `{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}`, "never end"},
		{"a dynamic reference to itself", `{"$dynamicAnchor":"a","$dynamicRef":"#a"}`, "never end"},
		{"two references", `{"$dynamicAnchor":"a","$ref":"#","$dynamicRef":"#a"}`, "use one of them"},
		{"an anchor twice", `{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, "twice"},
		{"a pattern of another language", `{"pattern":"^(?=a)b"}`, "no regular expression of RE2"},
		{"a large pattern", `{"pattern":"(((a{100}){100}){100}){100}"}`, "RE2"},
		{"a long pattern", `{"pattern":"` + strings.Repeat("a", 3000) + `"}`, "too large"},
		{"many patterns", `{"patternProperties":{"a{999}":true,"b{999}":true,"c{999}":true}}`, "too large"},
		{"too large", `{"description":"` + strings.Repeat("a", schema.MaxSize) + `"}`, "the limit is 65536"},
		{"too deep", strings.Repeat(`{"not":`, 50) + `{}` + strings.Repeat(`}`, 50), "more than 48 deep"},
		{"too many subschemas", `{"allOf":[` + strings.Repeat(`{},`, 1000) + `{}]}`, "more than 1000 subschemas"},
		{"too many references", `{"allOf":[` + strings.Repeat(`{"$ref":"#/$defs/a"},`, 250) + `{"$ref":"#/$defs/a"}],"$defs":{"a":{}}}`, "more than 250 references"},
		{"a huge number", `{"minimum":1e999999}`, "exponent beyond 400"},
	} {
		_, err := schema.Compile([]byte(tt.schema))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Schemas that take exponential time are stopped after the same number of steps as
// others, wherever the time is spent: also in parts that fail before they count.
func TestNastySchemas(t *testing.T) {
	chain := func(keyword, open, end, leaf string) string {
		var defs []string
		for i := range 60 {
			ref := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
			defs = append(defs, fmt.Sprintf(`"d%d":{"%s":%s%s,%s%s}`, i, keyword, open, ref, ref, end))
		}
		return `{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `,"d60":` + leaf + `}}`
	}
	deep := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	twice := `{"$dynamicRef":"#n"}`
	for _, tt := range []struct{ name, schema, data string }{
		{"anyOf that fails", chain("anyOf", "[", "]", `{"type":"string"}`), `1`},
		{"allOf that succeeds", chain("allOf", "[", "]", `{"type":"number"}`), `1`},
		{"oneOf", chain("oneOf", "[", "]", `{"const":2}`), `1`},
		{"not in anyOf", strings.ReplaceAll(chain("anyOf", "[", "]", `{"type":"string"}`), `{"$ref"`, `{"not":{"type":"null"},"$ref"`), `1`},
		{"dependentSchemas", strings.ReplaceAll(chain("dependentSchemas", `{"a":`, "}", `{"maxProperties":1}`), `},{"$ref"`, `},"b":{"$ref"`), `{"a":1,"b":2}`},
		{"recursion into the data", `{"$dynamicAnchor":"n","type":"object","anyOf":[{"properties":{"a":` + twice + `}},{"properties":{"a":` + twice + `}}]}`, deep},
		{"recursion with contains", `{"$anchor":"n","anyOf":[{"contains":{"$ref":"#n"}},{"contains":{"$ref":"#n"}}],"type":"array"}`, strings.Repeat(`[`, 60) + strings.Repeat(`]`, 60)},
		{"unevaluated properties", strings.Replace(chain("allOf", "[", "]", `{"properties":{"a":true}}`), `{"$ref"`, `{"unevaluatedProperties":false,"$ref"`, 1), `{"a":1}`},
		{"a long enum for many items", `{"items":{"enum":[` + strings.Repeat("1,", 20_000) + `1]}}`, `[` + strings.Repeat("2,", 100_000) + `2]`},
		{"patterns for long text", `{"items":{"allOf":[` + strings.Repeat(`{"pattern":"(a|aa){1,9}$"},`, 25) + `{}]}}`, `["` + strings.Repeat("a", 250_000) + `"]`},
		{"patterns of many names", `{"patternProperties":{"(a|b|ab){300}$":true}}`, `{"` + strings.Repeat("a", 100_000) + `":1,"` + strings.Repeat("b", 100_000) + `":1}`},
		{"unique items", `{"allOf":[` + strings.Repeat(`{"uniqueItems":true},`, 200) + `{}]}`, `[` + strings.TrimSuffix(numbers(20_000), ",") + `]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := schema.Compile([]byte(tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			if list, err := s.Validate(context.Background(), json.RawMessage(tt.data)); !errors.Is(err, schema.ErrTooMuch) {
				t.Errorf("%v, %v", list, err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Validate(ctx, json.RawMessage(tt.data)); !errors.Is(err, context.Canceled) {
				t.Errorf("after the deadline: %v", err)
			}
		})
	}
}

func numbers(n int) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "%d,", i)
	}
	return list.String()
}

// A schema that compiles validates all data without a panic, in bounded steps, and
// says the same of the same data. Read once more as it is written below a prefix, it
// is the same schema.
func FuzzCompile(f *testing.F) {
	f.Add(invoice, `{"id":"in_1","customer":{"email":"a@example.com"}}`)
	f.Add(`{"$dynamicAnchor":"n","properties":{"a":{"$dynamicRef":"#n"}},"unevaluatedProperties":false}`, `{"a":{"a":{}}}`)
	f.Add(`{"allOf":[{"prefixItems":[{"const":1}]}],"unevaluatedItems":{"type":"string"}}`, `[1,"a"]`)
	f.Add(`{"if":{"required":["a"]},"then":{"patternProperties":{"^a":{"type":["null","integer"]}}},"else":{"propertyNames":{"maxLength":1}}}`, `{"a":1.5}`)
	f.Add(`{"contains":{"multipleOf":0.1},"minContains":2,"uniqueItems":true,"dependentSchemas":{"a":{"not":{}}}}`, `[0.1,0.2,0.2]`)
	f.Fuzz(func(t *testing.T, text, data string) {
		s, err := schema.Compile([]byte(text))
		if err != nil {
			return
		}
		first, err := s.Validate(context.Background(), json.RawMessage(data))
		if err != nil && !errors.Is(err, schema.ErrTooMuch) {
			t.Fatal(err)
		}
		d, err := schema.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(d.Below("#"))
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > schema.MaxSize {
			return // escapes have made it longer
		}
		same, err := schema.Compile(again)
		if err != nil {
			t.Fatalf("%s became %s: %v", text, again, err)
		}
		second, _ := same.Validate(context.Background(), json.RawMessage(data))
		if (len(first) == 0) != (len(second) == 0) {
			t.Errorf("%s: %v, then %v", text, first, second)
		}
	})
}
