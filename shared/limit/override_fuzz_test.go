package limit_test

import (
	"maps"
	"testing"

	"portico/shared/limit"
)

// FuzzParseOverrides: what is read is written and read back alike.
func FuzzParseOverrides(f *testing.F) {
	for _, seed := range []string{"", "key=10", "key=10 organization=20", "key=0", "key=-1", "key=9223372036854775807", "=1", "a==1", "a=1 a=2", "\u00a0a=1", "a=+1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := limit.ParseOverrides(text)
		if err != nil {
			return
		}
		again, err := limit.ParseOverrides(read.String())
		if err != nil || !maps.Equal(again, read) {
			t.Errorf("%q is read as %v, written as %q, and read as %v, %v", text, read, read, again, err)
		}
		for name, n := range read {
			if n < 1 || n > limit.MaxLimit {
				t.Errorf("%q limits %q to %d", text, name, n)
			}
		}
	})
}
