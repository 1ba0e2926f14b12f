package org

import (
	"net/mail"
	"strings"

	"portico/shared/name"
)

// IsEmail reports whether s is an address and nothing else: no name, no brackets,
// nothing that makes it look like another one.
func IsEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && name.Check(s) == nil && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' })
}
