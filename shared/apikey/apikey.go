// Package apikey holds the keys with which customers' programs call the API.
// Postgres keeps the truth; DynamoDB keeps the projection that requests read.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
)

// A key is `ptc_`, 30 random characters (178 bits) and 6 of checksum, all base62.
// The prefix lets secret scanners find a leaked one; the checksum lets invalid
// keys be refused without a query.
const (
	prefix      = "ptc_"
	randomChars = 30
	sumChars    = 6
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// APIKey is a key without its plain text, which exists only in the reply that
// created it.
type APIKey struct {
	ID          id.APIKey
	Name        string
	Permissions []auth.Permission
	KeyStart    string   // the plain text's first characters, by which people know it again
	AllowedIPs  []string // as ParseNetworks writes them; none: any address
	CreatedAt   time.Time
	ExpiresAt   *time.Time // whole seconds, as DynamoDB keeps it; nil: no end
	RevokedAt   *time.Time
	ReplacedBy  id.APIKey // the key that a rotation made; zero: none
}

// The statuses of a key.
const (
	Active   = "active"
	Expiring = "expiring" // within expiringFor
	Expired  = "expired"
	Revoked  = "revoked"
)

const expiringFor = 7 * 24 * time.Hour

// Status says whether the key works.
func (k APIKey) Status(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return Revoked
	case k.ExpiresAt == nil || k.ExpiresAt.After(now.Add(expiringFor)):
		return Active
	case k.ExpiresAt.After(now):
		return Expiring
	}
	return Expired
}

// works returns nil, or why the key no longer works: for the log.
func (k APIKey) works(now time.Time) error {
	switch k.Status(now) {
	case Revoked:
		return fmt.Errorf("key %s revoked at %s", k.ID, k.RevokedAt)
	case Expired:
		return fmt.Errorf("key %s expired at %s", k.ID, k.ExpiresAt)
	}
	return nil
}

// Hash is the SHA-256 of a key's plain text. Only the hash is stored.
type Hash [sha256.Size]byte

// ErrUnknown is returned for every key that does not work. A client cannot
// distinguish malformed, unknown, expired and revoked keys; the log has the
// cause.
var ErrUnknown = fault.New(fault.Unauthenticated, "api_key_invalid",
	"The API key is not valid.").
	Means("The key is mistyped, unknown, expired or revoked, or it does not work from this address.")

// Generate returns a fresh plain text.
func Generate() string {
	body := make([]byte, 0, randomChars)
	var buf [64]byte
	for len(body) < randomChars {
		_, _ = rand.Read(buf[:]) // never fails
		for _, b := range buf {
			// 248 is the largest multiple of 62 in a byte, so all characters are
			// equally likely.
			if b < 248 && len(body) < randomChars {
				body = append(body, base62[b%62])
			}
		}
	}
	return prefix + string(body) + checksum(string(body))
}

// Start returns the part of a plain text that may be shown: the prefix and 4 of
// the 36 characters. 154 bits stay unknown.
func Start(plain string) string { return plain[:len(prefix)+4] }

// checksum is the CRC-32 (IEEE) of body in base62, padded to six characters.
func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	out := make([]byte, sumChars)
	for i := sumChars - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return string(out)
}

// Parse returns the hash of a well-formed plain text, or ErrUnknown. It does no I/O.
func Parse(plain string) (Hash, error) {
	body, ok := strings.CutPrefix(plain, prefix)
	if !ok || len(body) != randomChars+sumChars || checksum(body[:randomChars]) != body[randomChars:] {
		return Hash{}, ErrUnknown.Because(fmt.Errorf("the key is malformed or its checksum is wrong: %d characters", len(plain)))
	}
	return sha256.Sum256([]byte(plain)), nil
}
