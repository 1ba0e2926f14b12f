package mail

import (
	"strings"

	"portico/shared/mail/transport"
	"portico/shared/org"
)

// CleanAddress returns an address as it is kept, or "" if mail cannot be sent to it. Its
// domain is as mail is sent to it: otherwise one mailbox would have many addresses.
func CleanAddress(text string) string {
	text = strings.TrimSpace(text)
	if !org.IsEmail(text) {
		return ""
	}
	address, err := transport.EncodeAddress(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(address)
}
