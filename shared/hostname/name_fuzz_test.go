package hostname_test

import (
	"strings"
	"testing"

	"portico/shared/hostname"
)

// FuzzParseName: a name has one form, which is short lower-case ASCII.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"", "portal.example.com", "PORTAL.Example.com", "b\u00fccher.example", "xn--bcher-kva.example", "a..b", "1.2.3.4", "acme.portico.example", "\u3002a.b", "co.uk", "a\u200d.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := hostname.ParseName(text, "portico.example")
		if err != nil {
			return
		}
		if again, err := hostname.ParseName(name, "portico.example"); err != nil || again != name {
			t.Errorf("%q is read as %q, and that as %q, %v", text, name, again, err)
		}
		if len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || !strings.Contains(name, ".") {
			t.Errorf("%q is read as %q", text, name)
		}
	})
}
