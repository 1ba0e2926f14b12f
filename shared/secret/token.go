package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// Token is 256 random bits that somebody carries: in a cookie, in a mailed link. Who
// has it may use what it stands for. Only its hash is stored.
type Token [32]byte

var errToken = errors.New("secret: malformed token")

// NewToken draws a token.
func NewToken() (t Token) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

// ParseToken reads a token in the form that Text gives; nothing else is accepted.
func ParseToken(text string) (t Token, err error) {
	if base64.RawURLEncoding.EncodedLen(len(t)) != len(text) {
		return t, errToken
	}
	// The decoder skips line ends, so the length of what it returns counts too.
	if b, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || copy(t[:], b) != len(t) {
		return Token{}, errToken
	}
	return t, nil
}

// Text returns the token in base64url.
func (t Token) Text() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// Hash returns the token's SHA-256 in base64url, under which it is stored.
func (t Token) Hash() string { return base64.RawURLEncoding.EncodeToString(t.Sum()) }

// Sum returns the token's SHA-256.
func (t Token) Sum() []byte {
	sum := sha256.Sum256(t[:])
	return sum[:]
}
