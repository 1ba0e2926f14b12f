package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"portico/shared/id"
	"portico/shared/secret"
)

// alphabet is Crockford's base32: no two of its characters are easily taken for each
// other.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Code returns the eight characters that stand for a link. They are derived from its
// token, so only who has the mail learns them.
func Code(token secret.Token) string {
	sum := sha256.Sum256(append([]byte("code of a mailed link\n"), token[:]...))
	return written(sum[:codeLength])
}

// codeLength is the length of codes that are mailed, in characters.
const codeLength = 8

// ConfirmCode returns the code that is mailed to a person before a first second factor is
// set up. It is derived, so nothing is stored: the person's credentials have another
// version once the factor is set up, and with each turn there is another code.
func (s *Store) ConfirmCode(user id.User, version, turn int64) (string, error) {
	mac, err := s.box.MAC(s.box.Current(), fmt.Appendf(nil, "code to confirm a factor\n%s\n%d\n%d", user, version, turn))
	if err != nil {
		return "", fmt.Errorf("signin.ConfirmCode: %w", err)
	}
	return written(mac[:codeLength]), nil
}

// NewCode draws a code of so many characters, with 5 bits each.
func NewCode(characters int) string {
	code := make([]byte, characters)
	_, _ = rand.Read(code) // never fails
	return written(code)
}

// written writes 5 bits of each byte.
func written(bits []byte) string {
	code := make([]byte, len(bits))
	for i, b := range bits {
		code[i] = alphabet[b%32]
	}
	return string(code)
}

// ReadCode returns a typed code as Code and NewCode write it.
func ReadCode(typed string) string {
	return strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(typed))
}

// seal returns what is stored of a code: it has too few characters to be found out from
// a plain hash, so it is hashed with a key that the table does not have.
func (s *Store) seal(link, code string) (string, error) {
	mac, err := s.box.MAC(s.box.Current(), []byte("code of a mailed link\n"+link+"\n"+code))
	return base64.RawURLEncoding.EncodeToString(mac), err
}
