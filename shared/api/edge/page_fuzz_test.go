package edge

import (
	"strings"
	"testing"

	"portico/shared/id"
	"portico/shared/secret"
)

// FuzzTextPosition: a cursor is read back in its own list and organization, in no other,
// and not when it was changed; any other text is no cursor.
func FuzzTextPosition(f *testing.F) {
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("test only ", 5) + `"}`))
	if err != nil {
		f.Fatal(err)
	}
	call := func(org string) *Call {
		return &Call{Services: &Services{Box: box}, Org: id.Derive[id.Org](org)}
	}
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
		if position, err := own.TextPosition("events", changed); err == nil && position != string(plain) {
			t.Errorf("%q, changed to %q, leads to %q", cursor, changed, position)
		}
	})
}
