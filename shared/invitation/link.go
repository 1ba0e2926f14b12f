package invitation

import (
	"encoding/base64"
	"errors"

	"portico/shared/id"
	"portico/shared/secret"
)

// Path is the page behind a mailed link.
const Path = "/sign-in/invitation"

// Link is what a mailed link carries. The organization says in which database the
// invitation is; the token is the secret.
type Link struct {
	Org   id.Org
	Token secret.Token
}

var errLink = errors.New("invitation: malformed link")

// Text returns the link in base64url.
func (l Link) Text() string {
	return base64.RawURLEncoding.EncodeToString(append(l.Org.UUID[:], l.Token[:]...))
}

// ParseLink reads what Text returns; nothing else is accepted.
func ParseLink(text string) (l Link, err error) {
	size := len(l.Org.UUID) + len(l.Token)
	if base64.RawURLEncoding.EncodedLen(size) != len(text) {
		return l, errLink
	}
	// The decoder skips line ends, so the length of what it returns counts too.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != size {
		return Link{}, errLink
	}
	copy(l.Token[:], b[copy(l.Org.UUID[:], b):])
	if l.Org.IsZero() {
		return Link{}, errLink
	}
	return l, nil
}
