// Package jsontext reads and writes JSON without reflection, where every request
// pays for it: events of Lambda, their replies, and log lines.
package jsontext

import (
	"strings"
	"unicode/utf8"
)

// AppendString appends s as a JSON string, without escaping <, > and &. Bytes
// that are not UTF-8 become U+FFFD.
func AppendString(out []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	out = append(out, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(out, s[from:]...), '"')
}

const hex = "0123456789abcdef"

// AppendName appends the name of an object's member, after a comma unless it is
// the first.
func AppendName(out []byte, name string) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(AppendString(out, name), ':')
}
