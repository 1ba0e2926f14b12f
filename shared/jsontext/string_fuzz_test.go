package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/shared/jsontext"
)

// FuzzAppendString: encoding/json reads what is written, and so does the Reader, unless
// it leaves the text to encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a", "\"\\\n\r\t\x00\x1f\x7f", "\xff\xc0", "\u2028<>&", "\ud7ff\ue000\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := jsontext.AppendString(nil, text)
		want := strings.ToValidUTF8(text, "\uFFFD")
		var got, read string
		if err := json.Unmarshal(written, &got); err != nil || got != want {
			t.Fatalf("%q is written as %s, and read as %q, %v", text, written, got, err)
		}
		if jsontext.Read(written, func(r *jsontext.Reader) { r.String(&read) }) && read != want {
			t.Errorf("%s is read as %q", written, read)
		}
	})
}
