package jsontext

import (
	"strings"
	"unicode/utf8"
)

// Reader steps through JSON text. It does not understand everything: Read says
// whether it has, and otherwise the caller uses encoding/json. It does not check
// values that it skips.
type Reader struct {
	rest   []byte
	failed bool
}

// Read calls value, which steps over the only value of text. It reports whether
// the Reader has understood all of it.
func Read(text []byte, value func(*Reader)) bool {
	if !utf8.Valid(text) {
		return false
	}
	r := Reader{rest: text}
	value(&r)
	r.next()
	return !r.failed && len(r.rest) == 0
}

// Object calls member for each name; member steps over its value.
func (r *Reader) Object(member func(name string)) {
	r.between('{', '}', func() {
		var name string
		r.String(&name)
		r.must(':')
		member(name)
	})
}

// List calls element, which steps over a value, for each.
func (r *Reader) List(element func()) { r.between('[', ']', element) }

func (r *Reader) between(open, end byte, one func()) {
	if r.must(open); r.is(end) {
		return
	}
	for !r.failed {
		if one(); r.is(end) {
			return
		}
		r.must(',')
	}
}

// String reads a string. It does not understand \u.
func (r *Reader) String(into *string) {
	r.must('"')
	var before strings.Builder // the text before the last escape
	for i := 0; !r.failed && i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			*into = before.String() + string(r.rest[:i])
			r.rest = r.rest[i+1:]
			return
		case c == '\\' && i+1 < len(r.rest) && escapes[r.rest[i+1]] != 0:
			if before.Len() == 0 {
				before.Grow(len(r.rest))
			}
			before.Write(r.rest[:i])
			before.WriteByte(escapes[r.rest[i+1]])
			r.rest, i = r.rest[i+2:], -1
		case c < ' ' || c == '\\':
			r.failed = true
		}
	}
	r.failed = true
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// Bool reads true or false.
func (r *Reader) Bool(into *bool) {
	switch word := r.word(); word {
	case "true", "false":
		*into = word == "true"
	default:
		r.failed = true
	}
}

// Number reads a whole number of at most nine digits.
func (r *Reader) Number(into *int) {
	word := r.word()
	r.failed = r.failed || word == "" || len(word) > 9 || len(word) > 1 && word[0] == '0'
	*into = 0
	for _, c := range []byte(word) {
		r.failed = r.failed || c < '0' || c > '9'
		*into = *into*10 + int(c-'0')
	}
}

// Fail says that the text is left to encoding/json.
func (r *Reader) Fail() { r.failed = true }

// Skip steps over any value, by its brackets.
func (r *Reader) Skip() {
	for depth := 0; !r.failed; {
		switch r.next() {
		case '{', '[':
			depth++
			r.rest = r.rest[1:]
		case '}', ']':
			depth--
			r.rest = r.rest[1:]
		case ',', ':':
			r.rest = r.rest[1:]
			continue
		case '"':
			r.skipString()
		default:
			r.failed = r.word() == ""
		}
		if depth <= 0 {
			r.failed = r.failed || depth < 0
			return
		}
	}
}

func (r *Reader) skipString() {
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '\\':
			i++
		case '"':
			r.rest = r.rest[i+1:]
			return
		}
	}
	r.failed = true
}

// word steps over a number, true, false or null.
func (r *Reader) word() string {
	r.next()
	i := 0
	for i < len(r.rest) && (r.rest[i] >= 'a' && r.rest[i] <= 'z' || r.rest[i] >= '0' && r.rest[i] <= '9' || strings.IndexByte("+-.E", r.rest[i]) >= 0) {
		i++
	}
	word := string(r.rest[:i])
	r.rest = r.rest[i:]
	return word
}

// next steps over white space and returns the next byte, 0 at the end.
func (r *Reader) next() byte {
	for len(r.rest) > 0 {
		switch c := r.rest[0]; c {
		case ' ', '\t', '\n', '\r':
			r.rest = r.rest[1:]
		default:
			return c
		}
	}
	return 0
}

// is steps over a sign, if it is next.
func (r *Reader) is(sign byte) bool {
	if r.failed || r.next() != sign {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *Reader) must(sign byte) { r.failed = !r.is(sign) }
