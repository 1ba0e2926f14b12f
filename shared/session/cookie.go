package session

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/secret"
)

// Cookie is the value of the cookie `__Host-portico`: whose session it is, and its
// secret. The person's id says where the session is stored, so one read finds it.
type Cookie struct {
	User   id.User
	secret secret.Token
}

// ErrMalformed is returned for a text that is not the value of a cookie.
var ErrMalformed = errors.New("session: malformed cookie")

const (
	userBytes   = len(uuid.UUID{})
	cookieBytes = userBytes + len(secret.Token{})
)

// Parse reads the value of a cookie in the form that Text gives; nothing else is
// accepted. It does no I/O.
func Parse(text string) (Cookie, error) {
	var c Cookie
	if len(text) != base64.RawURLEncoding.EncodedLen(cookieBytes) {
		return c, ErrMalformed
	}
	// The decoder skips line ends, so the length of what it returns counts too.
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != cookieBytes {
		return c, ErrMalformed
	}
	copy(c.User.UUID[:], b)
	copy(c.secret[:], b[userBytes:])
	if c.User.IsZero() {
		return Cookie{}, ErrMalformed
	}
	return c, nil
}

func (c Cookie) bytes() (b [cookieBytes]byte) {
	copy(b[:], c.User.UUID[:])
	copy(b[userBytes:], c.secret[:])
	return b
}

// Text returns the cookie's value: user id and secret in base64url.
func (c Cookie) Text() string {
	b := c.bytes()
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// key returns the key of the session's item. The hash in it is all of the secret that
// is stored.
func (c Cookie) key() string {
	b := c.bytes()
	sum := sha256.Sum256(b[:])
	return keyPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}
