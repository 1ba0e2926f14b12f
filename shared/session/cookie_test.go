package session_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/session"
)

// A cookie's value is accepted in one form only.
func FuzzParse(f *testing.F) {
	b := make([]byte, 48)
	user := id.New[id.User](time.Now())
	copy(b, user.UUID[:])
	good := base64.RawURLEncoding.EncodeToString(b)
	for _, text := range []string{good, "", good + "A", good[:63], good[:63] + "=", good[:63] + "\n", good[:62] + "\r\n", strings.Repeat("A", 64), strings.Repeat("+", 64), strings.Repeat("é", 32)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := session.Parse(text)
		if err == nil && (c.Text() != text || c.User.IsZero()) {
			t.Errorf("%q was read as %q", text, c.Text())
		}
		if err != nil && (text == good || c != session.Cookie{}) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	})
}

// flip returns another character of base64url.
func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}
