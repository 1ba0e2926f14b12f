package oauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
)

// kind is what a token is good for; it is the token's prefix, by which scanners find a
// leaked one.
type kind string

const (
	authorization kind = "pta_" // an authorization code
	access        kind = "pto_"
	refresh       kind = "ptr_"
)

// IsAccess reports whether a bearer token claims to be one of ours.
func IsAccess(text string) bool { return strings.HasPrefix(text, string(access)) }

// token is an authorization code, an access token or a refresh token. None is stored:
// its MAC is derived from the seed of its grant.
type token struct {
	kind       kind
	grant      id.OAuthGrant
	generation uint32
	end        time.Time // whole seconds
	mac        [sha256.Size]byte
}

// A token's text is its prefix and, in base64url, the grant's id, the generation, the
// end, the MAC and a checksum, which lets junk be refused without I/O.
const (
	bodyBytes  = len(uuid.UUID{}) + 4 + 8
	sumBytes   = 4
	tokenBytes = bodyBytes + sha256.Size + sumBytes
)

var errToken = errors.New("oauth: malformed token")

// parse reads a token in the form that text gives; nothing else is accepted. It does no
// I/O and does not know whether the MAC is right.
func parse(text string) (t token, err error) {
	const prefix = len(access)
	if len(text) != prefix+base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return t, errToken
	}
	// The decoder skips line ends, so the length of what it returns counts too.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text[prefix:])
	if err != nil || len(b) != tokenBytes {
		return t, errToken
	}
	t.kind = kind(text[:prefix])
	if t.kind != authorization && t.kind != access && t.kind != refresh {
		return t, errToken
	}
	end := tokenBytes - sumBytes
	if binary.BigEndian.Uint32(b[end:]) != t.sum(b[:end]) {
		return t, errToken
	}
	copy(t.grant.UUID[:], b)
	t.generation = binary.BigEndian.Uint32(b[16:])
	t.end = time.Unix(int64(binary.BigEndian.Uint64(b[20:])), 0).UTC()
	copy(t.mac[:], b[bodyBytes:end])
	return t, nil
}

func (t token) body() []byte {
	b := make([]byte, 0, tokenBytes)
	b = append(b, t.grant.UUID[:]...)
	b = binary.BigEndian.AppendUint32(b, t.generation)
	return binary.BigEndian.AppendUint64(b, uint64(t.end.Unix()))
}

func (t token) sum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(t.kind)), crc32.IEEETable, b)
}

// signed returns the token with the MAC that a seed gives it. The kind is under the MAC,
// so a token cannot pass for one of another kind.
func (t token) signed(seed []byte) token {
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(t.kind))
	mac.Write(t.body())
	mac.Sum(t.mac[:0])
	return t
}

// isOf reports whether the token was made with a seed.
func (t token) isOf(seed []byte) bool {
	right := t.signed(seed)
	return hmac.Equal(t.mac[:], right.mac[:])
}

func (t token) text() string {
	b := append(t.body(), t.mac[:]...)
	b = binary.BigEndian.AppendUint32(b, t.sum(b))
	return string(t.kind) + base64.RawURLEncoding.EncodeToString(b)
}
