package streaming

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// encode writes JSON on one line that looks like what it is in every viewer: names that
// customers choose may contain HTML, line ends of Unicode, and marks that change the
// direction of text. All of these are escaped; a program reads the same text.
func encode(v any) []byte {
	text, err := json.Marshal(v) // escapes HTML, control characters, U+2028 and U+2029
	if err != nil {
		panic("streaming: " + err.Error()) // entries always marshal: they were JSON before
	}
	if bytes.IndexFunc(text, isTricky) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if isTricky(r) {
			out = fmt.Appendf(out, `\u%04x`, r) // all of them are below U+10000
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}

// isTricky reports whether a character ends lines, is not visible or changes the
// direction of text. In JSON without white space such characters are only in texts.
func isTricky(r rune) bool {
	return r < 0x10000 && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029')
}
