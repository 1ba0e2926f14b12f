// Package name has the one rule for names of people and things, which are shown
// to people other than those who gave them.
package name

import (
	"errors"
	"strings"
	"unicode"
)

// Check refuses what can make a name look like something else: line ends and
// other control characters, and the marks that turn the direction of text.
func Check(name string) error {
	if strings.ContainsFunc(name, isForbidden) {
		return errors.New("must be one line of text, without control characters and without marks that change the direction of text")
	}
	return nil
}

func isForbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}
