// Package unsubscribe makes and reads the links with which a person stops mail of one
// kind (RFC 8058). A link's token is sealed and says everything, so nothing is looked
// up, and nobody can make one for another person.
package unsubscribe

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/secret"
)

// Choice is what a person no longer wants: mail of one category from one
// organization.
type Choice struct {
	Org       id.Org
	Recipient string // a mail address
	Category  string
}

// valid is how long a link works. The law of several countries demands 30 days or
// more after the mail; people also find old mails.
const valid = 400 * 24 * time.Hour

// sealedFor binds a token to this use.
const sealedFor = "unsubscribe"

// ErrToken is returned for every token that cannot be used: changed, cut, sealed with
// other keys, or too old. The caller must not tell one from another.
var ErrToken = errors.New("unsubscribe: the token cannot be used")

// maxToken is longer than any token: 254 characters of an address, and the rest.
const maxToken = 700

// Token returns the token of a choice.
func Token(box *secret.Box, c Choice, now time.Time) string {
	plain := append([]byte{}, c.Org.UUID[:]...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(now.Unix()/3600))
	plain = append(plain, c.Category+"\n"+c.Recipient...)
	return base64.RawURLEncoding.EncodeToString(box.Seal(plain, sealedFor))
}

// Read returns the choice of a token, or ErrToken.
func Read(box *secret.Box, token string, now time.Time) (Choice, error) {
	if len(token) > maxToken {
		return Choice{}, ErrToken
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return Choice{}, ErrToken
	}
	plain, err := box.Open(sealed, sealedFor)
	if err != nil || len(plain) < 20 {
		return Choice{}, ErrToken
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(plain[16:20]))*3600, 0)
	category, recipient, ok := strings.Cut(string(plain[20:]), "\n")
	if age := now.Sub(made); !ok || age > valid || age < -time.Hour {
		return Choice{}, ErrToken
	}
	c := Choice{Category: category, Recipient: recipient}
	copy(c.Org.UUID[:], plain)
	return c, nil
}

// URL returns the link of a choice. public is the address of the pages, such as
// https://portico.example.com.
func URL(public string, box *secret.Box, c Choice, now time.Time) string {
	return Link(public, Token(box, c, now))
}

// Link returns the link of a token.
func Link(public, token string) string { return strings.TrimSuffix(public, "/") + "/u/" + token }
