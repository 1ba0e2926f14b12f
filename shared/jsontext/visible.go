package jsontext

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Escape escapes in JSON what could control a terminal, end a line or hide. Such
// characters are only inside of texts.
func Escape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case !IsHidden(r):
			out = append(out, text[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// IsHidden reports whether a character controls a terminal, ends a line, turns the
// direction of writing, or cannot be seen.
func IsHidden(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
