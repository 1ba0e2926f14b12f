package hostname_test

import (
	"strings"
	"testing"

	"portico/shared/hostname"
)

// A name is stored in the form that DNS uses. A name that nobody can own alone,
// or that nobody can prove, is refused with a sentence that says why.
func TestParseName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	// 244 characters: 3 × 64, 40 + 1, 11
	longest := strings.Join([]string{long, long, long, strings.Repeat("b", 40), "example.org"}, ".")
	for _, tt := range []struct{ text, name, wrong string }{
		{"portal.example.com", "portal.example.com", ""},
		{"example.com", "example.com", ""},
		{"Portal.EXAMPLE.com", "portal.example.com", ""},
		{"a.b.c.example.co.uk", "a.b.c.example.co.uk", ""},
		{"bücher.example.com", "xn--bcher-kva.example.com", ""},
		{"xn--bcher-kva.example.com", "xn--bcher-kva.example.com", ""},
		{"ｅｘａｍｐｌｅ。com", "example.com", ""},
		{"acme.github.io", "acme.github.io", ""},
		{longest, longest, ""},

		{"", "", "must be a host name"},
		{"example", "", "must be a host name"},
		{"example..com", "", "must be a host name"},
		{".example.com", "", "must be a host name"},
		{"-a.example.com", "", "must be a host name"},
		{"a-.example.com", "", "must be a host name"},
		{"a_b.example.com", "", "must be a host name"},
		{"a%2eb.example.com", "", "must be a host name"},
		{"a\x00b.example.com", "", "must be a host name"},
		{"xn--a.example.com", "", "must be a host name"},
		{"a" + long + ".example.com", "", "63"},
		{strings.Repeat(long+".", 4) + "example.com", "", "must be a host name"},
		{strings.Join([]string{long, long, long, strings.Repeat("b", 41), "example.org"}, "."), "", "at most 244 characters"},
		{"example.com.", "", "dot at the end"},
		{"https://example.com", "", "without scheme"},
		{"example.com/x", "", "path"},
		{"example.com:443", "", "port"},
		{"ada@example.com", "", "only a host name"},
		{"exa mple.com", "", "only a host name"},
		{"*.example.com", "", "wildcard"},
		{"192.0.2.1", "", "IP address"},
		{"[2001:db8::1]", "", "port"},
		{"192.0.2.1.5", "", "top-level"},
		{"portal.localhost", "", ".localhost is not"},
		{"printer.local", "", ".local is not"},
		{"db.internal", "", ".internal is not"},
		{"a.test", "", ".test is not"},
		{"co.uk", "", "public suffix"},
		{"github.io", "", "public suffix"},
		{"x.execute-api.eu-central-1.amazonaws.com", "", "AWS"},
		{"x.execute-api.cn-north-1.amazonaws.com.cn", "", "AWS"},

		{"acme.portico.example", "acme.portico.example", ""},
		{"ACME-2.portico.example", "acme-2.portico.example", ""},
		{"portico.example", "", "exactly one label"},
		{"a.b.portico.example", "", "exactly one label"},
		{"www.portico.example", "", "reserved"},
		{"API.portico.example", "", "reserved"},
		{"аcme.portico.example", "", "only a-z"}, // a Cyrillic а
		{"notportico.example", "", "top-level"},
	} {
		name, err := hostname.ParseName(tt.text, "portico.example")
		if tt.wrong == "" && (err != nil || name != tt.name) {
			t.Errorf("%q: %q, %v, want %q", tt.text, name, err, tt.name)
		}
		if tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%q: %q, %v, want %q", tt.text, name, err, tt.wrong)
		}
	}
	if _, err := hostname.ParseName("acme.portico.example", ""); err == nil {
		t.Error("a subdomain without a base was accepted")
	}
}

// A subdomain has exactly one label before the base. Without a base no name is a
// subdomain.
func TestIsSubdomain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, base string
		want       bool
	}{
		{"acme.portico.example", "portico.example", true},
		{"portico.example", "portico.example", false},
		{"a.b.portico.example", "portico.example", false},
		{"acme.example", "portico.example", false},
		{".portico.example", "portico.example", false},
		{"acme", "", false}, {"acme.", "", false}, {"", "", false},
	} {
		if got := hostname.IsSubdomain(tt.name, tt.base); got != tt.want {
			t.Errorf("%q below %q: %v", tt.name, tt.base, got)
		}
	}
}
