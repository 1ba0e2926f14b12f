package generate

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// attacks break any part of a request but its body.
var attacks = []attack{
	{"an odd parameter", oddParameter},
	{"an odd parameter", oddParameter},
	{"an odd parameter", oddParameter},
	{"an odd cursor", oddCursor},
	{"an odd cursor", oddCursor},
	{"an odd id", oddID},
	{"an odd id", oddID},
	{"an id of another kind", func(m *maker, r *Request) { m.replaceID(r, pick(m.random, m.allIDs())) }},
	{"an odd path", oddPath},
	{"another method", func(m *maker, r *Request) {
		r.Method = pick(m.random, []string{"PUT", "PATCH", "DELETE", "POST", "GET", "OPTIONS", "TRACE", "HEAD", "BREW", "get", "PROPFIND", "M-SEARCH", strings.Repeat("X", 300)})
	}},
	{"another content type", func(m *maker, r *Request) {
		types := []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "application/json;charset=utf-16",
			"application/json; charset=", "application/JSON", "application/problem+json", "application/merge-patch+json", "*/*", ";", "application/json, text/plain", "application/json\t", "ü/ü"}
		r.set("Content-Type", pick(m.random, types))
	}},
	{"no content type", func(_ *maker, r *Request) { r.remove("Content-Type") }},
	{"odd accept headers", func(m *maker, r *Request) {
		r.set("Accept", pick(m.random, []string{"text/html", "application/xml", "*/*;q=0", "application/cbor", ";;;", strings.Repeat("a/b,", 500)}))
		r.set("Accept-Encoding", pick(m.random, []string{"gzip", "br;q=9", "identity;q=0", "\x7f"}))
	}},
	{"many headers", func(m *maker, r *Request) {
		for i := range pick(m.random, []int{50, 300}) {
			r.Headers = append(r.Headers, [2]string{fmt.Sprintf("X-Flood-%d", i), strings.Repeat("f", 20)})
		}
	}},
	{"a long header", func(m *maker, r *Request) {
		r.set(pick(m.random, []string{"User-Agent", "Idempotency-Key", "Portico-Organization", "Cookie", "Referer", "X-Forwarded-For", "Authorization"}),
			strings.Repeat(pick(m.random, []string{"a", "ü", ","}), pick(m.random, []int{256, 4000, 20_000})))
	}},
	{"an odd header", func(m *maker, r *Request) {
		r.set(pick(m.random, []string{"Idempotency-Key", "Portico-Organization", "Prefer", "User-Agent", "X-Forwarded-For", "Forwarded", "Cookie", "If-None-Match", "If-Match", "Range", "Expect", "Host", "X-HTTP-Method-Override"}),
			pick(m.random, []string{"", " ", "\x01", "\xff\xfe", "ü", "org_01890000000000000000000000", "org_", "return=minimal", "return=minimal, return=representation", "wait=1e9", "a,b", "\"", "*", "bytes=0-1", "100-continue", "DELETE", "[::1]", "a b c", ";", "127.0.0.1"}))
	}},
	{"a repeated header", func(m *maker, r *Request) {
		name := pick(m.random, []string{"Authorization", "Idempotency-Key", "Content-Type", "Portico-Organization", "Content-Type"})
		r.Headers = append(r.Headers, [2]string{name, pick(m.random, []string{r.Header(name), "Bearer x", "x", ""})})
	}},
}

// keyAttacks break the header with the key; a success is a defect.
var keyAttacks = []attack{
	{"no key", func(_ *maker, r *Request) { r.remove("Authorization") }},
	{"a changed key", func(m *maker, r *Request) {
		key := []byte(r.Header("Authorization"))
		i := len("Bearer ptc_") + m.random.IntN(len(key)-len("Bearer ptc_"))
		key[i] = letters[(int(key[i])+1+m.random.IntN(20))%len(letters)]
		r.MustBeDenied = string(key) != r.Header("Authorization")
		r.set("Authorization", string(key))
	}},
	{"an odd key", func(m *maker, r *Request) {
		key := strings.TrimPrefix(r.Header("Authorization"), "Bearer ")
		r.set("Authorization", pick(m.random, []string{"", "Bearer", "Bearer ", "Basic " + key, key, "Bearer \"" + key + "\"", "Bearer " + key + key, "Bearer " + key[:len(key)-1], "Bearer " + strings.ToUpper(key),
			"Bearer " + key + ",Bearer " + key, "Bearer\x00" + key, "Digest username=a", "Bearer ptc_" + strings.Repeat("0", 36), "Bearer ptc_" + strings.Repeat("ü", 18), "Bearer null"}))
	}},
	{"the key in the query only", func(_ *maker, r *Request) {
		key := strings.TrimPrefix(r.Header("Authorization"), "Bearer ")
		r.remove("Authorization")
		r.addQuery("access_token", key)
	}},
}

func (r *Request) set(name, value string) {
	r.remove(name)
	r.Headers = append(r.Headers, [2]string{name, value})
}

func (r *Request) remove(name string) {
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

func (r *Request) addQuery(name, value string) {
	r.addRaw(url.QueryEscape(name) + "=" + url.QueryEscape(value))
}

func (r *Request) addRaw(query string) {
	sign := "?"
	if strings.Contains(r.Target, "?") {
		sign = "&"
	}
	r.Target += sign + query
}

// oddParameter adds a query parameter that is unknown, empty, repeated, badly
// encoded or of a wrong kind.
func oddParameter(m *maker, r *Request) {
	names := []string{"x", "limit", "after", "", "limit[]", "\u0000"}
	for _, p := range r.Operation.Parameters {
		if p.In == "query" {
			names = append(names, p.Name, p.Name)
		}
	}
	name := pick(m.random, names)
	r.Case += fmt.Sprintf(" (%q)", name)
	switch m.random.IntN(5) {
	case 0:
		r.addRaw(url.QueryEscape(name) + pick(m.random, []string{"", "=", "=%", "=%zz", "=%FF", "=%00", "=a;b=c", "=%c0%af", "=%ED%A0%80", "=+", "=1&" + url.QueryEscape(name) + "=1", "=%u0041"}))
	case 1:
		r.addQuery(name, pick(m.random, []string{"0", "-1", "101", "1e9", "99999999999999999999", "1.0", "+1", "0x10", " 1", "1_000", "١"}))
	default:
		value := fmt.Sprint(pick(m.random, wrong))
		if len(value) > 3000 {
			value = value[:3000]
		}
		r.addQuery(name, value)
	}
}

// oddCursor sends a cursor that is not this list's: another list's, one of the
// same list that was changed, or none at all.
func oddCursor(m *maker, r *Request) {
	own := m.world.cursors[r.Operation.Path]
	cursors := []string{"AAAA", "=", "%00", "null", "0", strings.Repeat("A", 200), strings.Repeat("A", 201), "_-_-", "AAA=", "ü"}
	for path, list := range m.world.cursors {
		if path != r.Operation.Path {
			cursors = append(cursors, list...)
		}
	}
	slices.Sort(cursors) // a map has no order
	if len(own) > 0 && m.chance(50) {
		text := []byte(pick(m.random, own))
		switch i := m.random.IntN(len(text)); m.random.IntN(3) {
		case 0:
			text = text[:i]
		case 1:
			text[i] ^= byte(1 << m.random.IntN(5))
		default:
			text = append(text, 'A')
		}
		cursors = []string{string(text)}
	}
	path, _, _ := strings.Cut(r.Target, "?")
	r.Target = path
	cursor := pick(m.random, cursors)
	r.addQuery("after", cursor)
	r.MustBeDenied = r.Operation.Keyed && !slices.Contains(own, cursor)
}

func (m *maker) allIDs() []string {
	list := []string{"we_01890000000000000000000000"}
	for _, ids := range m.world.ids {
		list = append(list, ids...)
	}
	slices.Sort(list)
	return list
}

// replaceID replaces the value of a path's parameter.
func (m *maker) replaceID(r *Request, id string) {
	_, query, asked := strings.Cut(r.Target, "?")
	r.Target = parameter.ReplaceAllLiteralString(r.Operation.Path, id)
	if asked {
		r.Target += "?" + query
	}
}

func oddID(m *maker, r *Request) {
	id := pick(m.random, m.allIDs())
	prefix, rest, _ := strings.Cut(id, "_")
	m.replaceID(r, pick(m.random, []string{
		prefix + "_", prefix, rest, strings.ToUpper(id), id + "0", id[:len(id)-1], id + "%00", "%00", "%FF", "%ED%A0%80", "..", ".", "%2e%2e", "a%2Fb", id + "%2F..", "%20", "+", "*", "'",
		"null", "0", "-1", prefix + "_zzzzzzzzzzzzzzzzzzzzzzzzzz", prefix + "_8" + strings.Repeat("0", 25), strings.Repeat("a", 2000), strings.Repeat("%C3%BC", 300), id + ";a=b", "{id}", "%7Bid%7D", "%E2%80%AE", "a%0d%0ab",
	}))
}

func oddPath(m *maker, r *Request) {
	path, query, asked := strings.Cut(r.Target, "?")
	i := strings.LastIndex(path, "/")
	r.Target = pick(m.random, []string{
		path + "/", "/" + path, path[:i] + "//" + path[i+1:], path + "/.", path + "/..", "/." + path, "/v1/.." + path, path[:i] + "%2F" + path[i+1:], path + "%00", path + "%", path + "%zz", path + "/x",
		strings.ToUpper(path), path + ".json", path + "%20", path + "#a", path + "\\", "/v2" + strings.TrimPrefix(path, "/v1"), "*", "http://other.example" + path, "//other.example" + path, path + "/%2e%2e/%2e%2e", path + ";v=1", "/", "/v1", path + "\xff",
	})
	if asked && !strings.Contains(r.Target, "#") {
		r.Target += "?" + query
	}
}
