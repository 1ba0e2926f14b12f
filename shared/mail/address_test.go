package mail_test

import (
	"testing"

	"portico/shared/mail"
)

// One mailbox has one address, however its domain is written.
func TestCleanAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" Ada@Example.COM ":                       "ada@example.com",
		"ada@ｅxample.com":                         "ada@example.com",
		"ada@ⓔxample.com":                         "ada@example.com",
		"ada@ex\u00adample.com":                   "ada@example.com",
		"ada@example。com":                         "ada@example.com",
		"ada@bücher.example":                      "ada@xn--bcher-kva.example",
		"ada@BÜCHER.example":                      "ada@xn--bcher-kva.example",
		"ada":                                     "",
		"ada@localhost":                           "",
		"ada@@example.com":                        "",
		"ädä@example.com":                         "",
		"ada@example.com\r\nBcc: eve@example.com": "",
	} {
		if got := mail.CleanAddress(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
