// Package name has the rule for names of people and things. It is strict, because
// names are shown to other people than their authors.
package name

import (
	"errors"
	"strings"
	"unicode"
)

// Check refuses characters that can make a name look like another one: line ends
// and other control characters, and marks that change the direction of text.
func Check(name string) error {
	if strings.ContainsFunc(name, isForbidden) {
		return errors.New("must be one line of text, without control characters and without marks that change the direction of text")
	}
	return nil
}

func isForbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// Clean replaces each character that Check refuses by a space.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if isForbidden(r) {
			return ' '
		}
		return r
	}, text)
}
