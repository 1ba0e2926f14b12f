package name_test

import (
	"testing"

	"portico/shared/name"
)

// A name is one line without characters that change how it looks.
func TestCheck(t *testing.T) {
	for _, good := range []string{"", "Acme", "Zoë O’Brien-Łukasz", "山田 太郎", "محمد", "שלום", "नमस्ते", "👩‍👩‍👧 Ltd.", "a\u200cb"} {
		if err := name.Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"a\nb", "a\rb", "a\tb", "\x00", "\x1b[31m", "a\u007f", "a\u0085b", "a\u2028b", "a\u2029b",
		"\u202eemca", "\u202a", "\u202b", "\u202c", "\u202d", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f", "\u061c",
	} {
		if name.Check(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// What Clean returns is accepted by Check, and good names stay as they are.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{"Zoë O’Brien": "Zoë O’Brien", "a\r\nb": "a  b", "\u202eemca\x00": " emca "} {
		if got := name.Clean(text); got != want || name.Check(got) != nil {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
