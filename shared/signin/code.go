package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"portico/shared/secret"
)

// alphabet is Crockford's base32: no two of its characters are easily taken for each
// other.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Code returns the eight characters that stand for a link. They are derived from its
// token, so only who has the mail learns them.
func Code(token secret.Token) string {
	sum := sha256.Sum256(append([]byte("code of a mailed link\n"), token[:]...))
	code := make([]byte, 8)
	for i := range code {
		code[i] = alphabet[sum[i]%32]
	}
	return string(code)
}

// read returns a typed code as Code writes it.
func read(typed string) string {
	return strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(typed))
}

// seal returns what is stored of a code: it has too few characters to be found out from
// a plain hash, so it is hashed with a key that the table does not have.
func (s *Store) seal(link, code string) (string, error) {
	mac, err := s.box.MAC(s.box.Current(), []byte("code of a mailed link\n"+link+"\n"+code))
	return base64.RawURLEncoding.EncodeToString(mac), err
}
