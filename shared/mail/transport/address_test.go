package transport

import "testing"

// Addresses are sent in ASCII; what cannot be, or needs quotes, is refused.
func TestEncodeAddress(t *testing.T) {
	for address, want := range map[string]string{
		"ada@example.com":                        "ada@example.com",
		"Ada.Lovelace+x@Example.com":             "Ada.Lovelace+x@example.com",
		"post@münchen.de":                        "post@xn--mnchen-3ya.de",
		"info@例え.jp":                             "info@xn--r8jz45g.jp",
		"o'brien@example.com":                    "o'brien@example.com",
		"zoë@example.com":                        "",
		`"a b"@example.com`:                      "",
		"a@b@example.com":                        "",
		"@example.com":                           "",
		"ada@":                                   "",
		"ada":                                    "",
		"ada@localhost":                          "",
		"ada@[127.0.0.1]":                        "",
		"ada@127.0.0.1":                          "",
		".ada@example.com":                       "",
		"a..b@example.com":                       "",
		"ada@-example.com":                       "",
		"ada@exam_ple.com":                       "",
		"Ada <ada@example.com>":                  "",
		"ada@example.com\r\nBcc: x@evil.example": "",
	} {
		if got, err := EncodeAddress(address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q (%v), want %q", address, got, err, want)
		}
	}
}
