package org

import (
	"net/mail"
	"strings"

	"portico/shared/name"
)

// IsEmail reports whether s is a plain address: without a name or brackets, and
// without characters that make it look like another address.
func IsEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && name.Check(s) == nil && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' })
}
