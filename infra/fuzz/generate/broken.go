package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// attack makes a valid request a broken or an odd one.
type attack struct {
	name string
	do   func(*maker, *Request)
}

// bodyAttacks break a body that would be valid.
var bodyAttacks = []attack{
	{"a member of a wrong type", wrongMember},
	{"a member of a wrong type", wrongMember}, // more often: there are many members
	{"a member of a wrong type", wrongMember},
	{"a member left out", leaveOut},
	{"an unknown member", func(m *maker, r *Request) {
		m.change(r, func(object map[string]any, _ string) { object[pick(m.random, odd)] = pick(m.random, wrong) })
	}},
	{"a member in capitals", func(m *maker, r *Request) {
		m.change(r, func(object map[string]any, name string) { object[strings.ToUpper(name)] = object[name] })
	}},
	{"a member twice", func(m *maker, r *Request) {
		if i := bytes.IndexByte(r.Body, '{'); i >= 0 && bytes.IndexByte(r.Body, '"') > 0 {
			member := firstMember(r.Body)
			r.Body = slices.Concat(r.Body[:i+1], member, []byte(","), r.Body[i+1:])
			r.MustBeDenied = len(member) > 0
		}
	}},
	{"a body that ends early", func(m *maker, r *Request) {
		if len(r.Body) > 1 {
			r.Body, r.MustBeDenied = r.Body[:1+m.random.IntN(len(r.Body)-1)], true
		}
	}},
	{"bytes changed", func(m *maker, r *Request) {
		r.Body = bytes.Clone(r.Body)
		for range 1 + m.random.IntN(3) {
			r.Body[m.random.IntN(len(r.Body))] = byte(m.random.IntN(256))
		}
	}},
	{"bytes that are not UTF-8", func(m *maker, r *Request) {
		if i := bytes.LastIndexByte(r.Body, '"'); i > 0 {
			junk := pick(m.random, []string{"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
			r.Body, r.MustBeDenied = slices.Concat(r.Body[:i], []byte(junk), r.Body[i:]), true
		}
	}},
	{"an odd body", func(m *maker, r *Request) { r.Body = []byte(pick(m.random, oddBodies)) }},
	{"a byte order mark", func(_ *maker, r *Request) { r.Body, r.MustBeDenied = append([]byte("\xef\xbb\xbf"), r.Body...), true }},
	{"UTF-16", func(_ *maker, r *Request) {
		var out []byte
		for _, c := range r.Body {
			out = append(out, c, 0)
		}
		r.Body, r.MustBeDenied = out, true
	}},
	{"text after the body", func(m *maker, r *Request) {
		r.Body, r.MustBeDenied = append(bytes.Clone(r.Body), pick(m.random, []string{"x", "{}", "\x00", "]", "//"})...), true
	}},
	{"nested deeply", func(m *maker, r *Request) {
		n := pick(m.random, []int{62, 63, 64, 65, 1000, 20_000})
		deep := strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
		if m.chance(50) {
			deep = strings.Repeat("[", n) + strings.Repeat("]", n)
		}
		m.change(r, func(object map[string]any, name string) { object[name] = "deep" })
		r.Body = bytes.Replace(r.Body, []byte(`"deep"`), []byte(deep), 1) // encoding/json refuses to write it
	}},
	{"a large body", func(m *maker, r *Request) {
		space := strings.Repeat(pick(m.random, []string{" ", "\n"}), pick(m.random, []int{64 << 10, 1 << 20, 4 << 20}))
		r.Body = append([]byte(space), r.Body...)
	}},
	{"no body", func(_ *maker, r *Request) { r.Body = nil }},
}

// odd are names that mean something to some programs.
var odd = []string{"__proto__", "constructor", "$ref", "", " ", "\u0000", "id", "org_id", "created_at", "ünï", strings.Repeat("n", 5000), "a.b", "data", "Data", "\u202e"}

// wrong are values that few members accept.
var wrong = []any{
	nil, true, false, "", " ", "x", 0, -1, 1.5, []any{}, map[string]any{}, []any{nil}, []any{[]any{}}, map[string]any{"": nil},
	json.RawMessage("1e999"), json.RawMessage("-0"), json.RawMessage("1e-999"), json.RawMessage("9223372036854775808"), json.RawMessage("-9223372036854775809"),
	json.RawMessage("2147483648"), json.RawMessage("1E400"), json.RawMessage("0.1e1"), json.RawMessage("1.0"), json.RawMessage(strings.Repeat("9", 400)),
	json.RawMessage(`"\u0000"`), json.RawMessage(`"a\u0000b"`), json.RawMessage(`"\ud800"`), json.RawMessage(`"\udc00\ud800"`), json.RawMessage(`"\ufffe\uffff"`),
	"\u202eexe", "\u2028", "a\nb", "a\r\nX-Injected: 1", "\x7f", "'; DROP TABLE event; --", "' OR 1=1 --", "%00", "%s%n%d", "${jndi:ldap://127.0.0.1/a}", "{{.}}", "<script>alert(1)</script>",
	"../../etc/passwd", "\\", "\"", "1", "true", "null", "NaN", "Infinity", "2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "10000-01-01T00:00:00Z",
	"2026-01-01T00:00:00+23:59", "2026-01-01T24:00:00Z", "2026-12-31T23:59:60Z", "0001-01-01T00:00:00Z", "-infinity", "http://[::1", "https://user:pass@example.com/", "https://127.0.0.1/",
	"https://example.com:99999/", "https://xn--/", "a@b", "a@" + strings.Repeat("b", 300) + ".com", "\u00e4@example.com", "we_01890000000000000000000000", "we_zzzzzzzzzzzzzzzzzzzzzzzzzz", "we_",
	strings.Repeat("a", 70_000), strings.Repeat("\u00fc", 300), strings.Repeat("a ", 600), "0.0.0.0/0", "::ffff:1.2.3.4", "fe80::1%eth0", "any(data, any(#, true))", "data matches \"(a+)+$\"",
	"permit(principal, action, resource);", "0 0 31 2 *", "* * * * * *", "@every 1ns", "Mars/Base", "../UTC", "Local",
}

var oddBodies = []string{
	"null", "[]", "{}", `""`, "0", "true", "[{}]", "{", "}", "[", `"`, `{"a"}`, `{"a":}`, `{a:1}`, `{'a':1}`, `{"a":1,}`, "nul", "NaN", "-", "01", "\x00", " ", "{}{}", "/**/{}", "{\"\\u0000\":1}",
	"<a/>", "a=1&b=2", "--b\r\n\r\n--b--", "\"\\ud800\"", "{\"a\":\"\x01\"}", strings.Repeat("{", 300), `{"a":1e}`, `{"__proto__":{"a":1}}`, "1e999", "[1e999]",
}

// change applies f to one of the objects in a body and a name in it.
func (m *maker) change(r *Request, f func(object map[string]any, name string)) {
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	var body any
	if decoder.Decode(&body) != nil {
		return
	}
	objects := objectsIn(body, nil)
	if len(objects) == 0 {
		return
	}
	object := objects[0]
	if m.chance(30) {
		object = pick(m.random, objects)
	}
	name := "a"
	if names := slices.Sorted(maps.Keys(object)); len(names) > 0 {
		name = pick(m.random, names)
	}
	f(object, name)
	r.Body = encode(body)
}

func objectsIn(value any, list []map[string]any) []map[string]any {
	switch v := value.(type) {
	case map[string]any:
		list = append(list, v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = objectsIn(v[name], list)
		}
	case []any:
		for _, item := range v {
			list = objectsIn(item, list)
		}
	}
	return list
}

// wrongMember gives a member that the schema knows, also one that the body has not
// yet, a value that it hardly accepts.
func wrongMember(m *maker, r *Request) {
	properties, _ := r.Operation.Body["properties"].(map[string]any)
	known := slices.Sorted(maps.Keys(properties))
	m.change(r, func(object map[string]any, name string) {
		if len(known) > 0 && m.chance(60) {
			name = pick(m.random, known)
		}
		value := pick(m.random, wrong)
		switch list := object[name].(type) {
		case []any:
			if m.chance(50) {
				object[name] = m.spoil(list, value)
				return
			}
		case string:
			if text, ok := value.(string); ok && m.chance(30) {
				value = list + text
			}
		}
		r.Case += fmt.Sprintf(" (%s)", name)
		object[name] = value
	})
}

func (m *maker) spoil(list []any, value any) []any {
	switch m.random.IntN(3) {
	case 0:
		return append(list, value)
	case 1:
		if len(list) > 0 {
			return append(list, list[0])
		}
		return []any{value}
	}
	for range 10_000 {
		list = append(list, value)
		if text, long := value.(string); long && len(text) > 100 {
			break
		}
	}
	return list
}

func leaveOut(m *maker, r *Request) {
	m.change(r, func(object map[string]any, name string) {
		r.Case += fmt.Sprintf(" (%s)", name)
		delete(object, name)
	})
}

// firstMember returns the text of an object's first member, if it is simple.
func firstMember(body []byte) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || len(object) == 0 {
		return nil
	}
	name := slices.Sorted(maps.Keys(object))[0]
	return slices.Concat(encode(name), []byte(":"), object[name])
}

// encode writes JSON without escaping <, > and &.
func encode(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // the values are all ours
	}
	return bytes.TrimSpace(out.Bytes())
}
