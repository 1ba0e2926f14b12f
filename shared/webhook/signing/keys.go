package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"portico/shared/id"
	"portico/shared/secret"
)

const (
	secretPrefix    = "whsec_"
	publicKeyPrefix = "whpk_"
)

// NewSecret returns a fresh signing secret in the form that customers see:
// whsec_ and the base64 of 32 random bytes.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// secretContext binds a sealed secret to its row.
func secretContext(org id.Org, row id.WebhookSecret) string {
	return "webhook_secret/" + org.String() + "/" + row.String()
}

// SealSecret seals a signing secret for its row.
func SealSecret(box *secret.Box, org id.Org, row id.WebhookSecret, plain string) []byte {
	return box.Seal([]byte(plain), secretContext(org, row))
}

// OpenSecret opens what SealSecret sealed.
func OpenSecret(box *secret.Box, org id.Org, row id.WebhookSecret, sealed []byte) (string, error) {
	plain, err := box.Open(sealed, secretContext(org, row))
	if err != nil {
		return "", fmt.Errorf("signing secret %s: %w", row, err)
	}
	return string(plain), nil
}

// keyContext binds a sealed signing key to its endpoint.
func keyContext(org id.Org, endpoint id.WebhookEndpoint) string {
	return "webhook_signing_key/" + org.String() + "/" + endpoint.String()
}

// NewKeyPair returns a new key pair: the public key, and the seed of the
// private key, sealed.
func NewKeyPair(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint) (public ed25519.PublicKey, sealed []byte) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), box.Seal(seed, keyContext(org, endpoint))
}

// OpenKeys opens what NewKeyPair sealed and keeps the order. A nil
// value is skipped: the endpoint does not have that pair.
func OpenKeys(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, sealed ...[]byte) (keys []ed25519.PrivateKey, err error) {
	for _, s := range sealed {
		if s == nil {
			continue
		}
		seed, err := box.Open(s, keyContext(org, endpoint))
		if err == nil && len(seed) != ed25519.SeedSize {
			err = fmt.Errorf("it has %d bytes instead of %d", len(seed), ed25519.SeedSize)
		}
		if err != nil {
			return nil, fmt.Errorf("signing key: %w", err)
		}
		keys = append(keys, ed25519.NewKeyFromSeed(seed))
	}
	return keys, nil
}

// ShowPublicKey returns a public key as text, in the form that receivers put into
// their settings.
func ShowPublicKey(key ed25519.PublicKey) string {
	return publicKeyPrefix + base64.StdEncoding.EncodeToString(key)
}

// Thumbprint returns the id of a public key (RFC 8037, appendix A.3).
func Thumbprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":%q}`, base64.RawURLEncoding.EncodeToString(key)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
