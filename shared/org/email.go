package org

import (
	"net/mail"
	"strings"
)

// IsEmail reports whether s is an address and nothing else: no name, no brackets.
func IsEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
