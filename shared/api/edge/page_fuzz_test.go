package edge

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"portico/shared/id"
	"portico/shared/secret"
)

// FuzzTextPosition: a cursor is read back in its own list and organization, in no other,
// and not when it was changed; any other text is no cursor.
func FuzzTextPosition(f *testing.F) {
	call := callsOf(f)
	for _, seed := range []string{"", "AAAA", "=", "\xff", strings.Repeat("A", 200), *call("a").TextCursor("events", []byte("x"))} {
		f.Add(seed, []byte("position"), 3)
	}
	f.Fuzz(func(t *testing.T, text string, plain []byte, at int) {
		own := call("a")
		if position, err := own.TextPosition("other", text); text != "" && err == nil {
			t.Fatalf("%q is a cursor to %q", text, position)
		}
		cursor := *own.TextCursor("events", plain)
		if position, err := own.TextPosition("events", cursor); err != nil || position != string(plain) {
			t.Fatalf("the cursor to %q leads to %q, %v", plain, position, err)
		}
		if _, err := call("b").TextPosition("events", cursor); err == nil {
			t.Error("another organization's cursor is accepted")
		}
		if at < 0 || at >= len(cursor) {
			return
		}
		changed := cursor[:at] + string(cursor[at]^1) + cursor[at+1:]
		if position, err := own.TextPosition("events", changed); err == nil {
			t.Errorf("%q, changed to %q, leads to %q", cursor, changed, position)
		}
	})
}

// callsOf returns a function that makes a call in an organization.
func callsOf(t testing.TB) func(org string) *Call {
	t.Helper()
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("test only ", 5) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	return func(org string) *Call {
		return &Call{Services: &Services{Box: box}, Org: id.Derive[id.Org](org)}
	}
}

// A cursor is accepted only as it was given, although base64 does not need the last
// bits of a text, and leaves out ends of lines.
func TestCursorHasOneText(t *testing.T) {
	own := callsOf(t)("a")
	for _, plain := range []string{"", "x", "xy"} {
		cursor := *own.TextCursor("events", []byte(plain))
		others := []string{cursor + "\n", cursor[:5] + "\r\n" + cursor[5:]}
		if last := len(cursor) - 1; len(cursor)%4 != 0 {
			others = append(others, cursor[:last]+string(rune(cursor[last]+1)))
		}
		for _, other := range others {
			a, _ := base64.RawURLEncoding.DecodeString(cursor)
			if b, err := base64.RawURLEncoding.DecodeString(other); err != nil || !bytes.Equal(a, b) {
				t.Fatalf("base64 does not read %q like %q", other, cursor)
			}
			if _, err := own.TextPosition("events", other); err == nil {
				t.Errorf("%q is accepted like %q", other, cursor)
			}
		}
	}
}
