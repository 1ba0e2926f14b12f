package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/secret"
)

// Signature schemes: how an endpoint's deliveries are signed.
const (
	SchemePortico            = "portico"             // Stripe's format: see Sign
	SchemeStandard           = "standard"            // Standard Webhooks v1: HMAC
	SchemeStandardAsymmetric = "standard_asymmetric" // Standard Webhooks v1a: Ed25519
)

const (
	secretPrefix    = "whsec_"
	publicKeyPrefix = "whpk_"
)

// setSignature sets the signature headers of one try, with the time of the try
// and the id of the event.
func (t *Target) setSignature(header http.Header, event string, now time.Time, body []byte) error {
	header.Set("Webhook-Id", event)
	if t.Scheme == SchemePortico {
		header.Set("Webhook-Signature", Sign(body, now, t.Secrets...))
		return nil
	}
	var signature string
	var err error
	if t.Scheme == SchemeStandardAsymmetric {
		signature = SignAsymmetric(event, now, body, t.Keys...)
	} else {
		signature, err = SignStandard(event, now, body, t.Secrets...)
	}
	header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("Webhook-Signature", signature)
	return err
}

// standardContent is the text that both schemes of Standard Webhooks sign.
func standardContent(event string, at time.Time, body []byte) []byte {
	return fmt.Appendf(nil, "%s.%d.%s", event, at.Unix(), body)
}

// SignStandard returns the value of webhook-signature by Standard Webhooks:
// `v1,<base64>` per secret, joined by spaces. v1 is the HMAC-SHA256 of
// "<id>.<unix seconds>.<body>" with the decoded bytes of the secret as key.
func SignStandard(event string, at time.Time, body []byte, secrets ...string) (string, error) {
	content := standardContent(event, at, body)
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, secretPrefix))
		if err != nil {
			return "", fmt.Errorf("webhook.SignStandard: a secret is not %s and base64", secretPrefix)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(content)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}

// SignAsymmetric returns `v1a,<base64>` per key, joined by spaces: the Ed25519
// signature of the same content. A receiver can verify it, but cannot make one.
func SignAsymmetric(event string, at time.Time, body []byte, keys ...ed25519.PrivateKey) string {
	content := standardContent(event, at, body)
	signatures := make([]string, len(keys))
	for i, key := range keys {
		signatures[i] = "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, content))
	}
	return strings.Join(signatures, " ")
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

// signingKeyContext binds a sealed signing key to its endpoint.
func signingKeyContext(org id.Org, endpoint id.WebhookEndpoint) string {
	return "webhook_signing_key/" + org.String() + "/" + endpoint.String()
}

// newSigningKey returns a new key pair: the public key, and the seed of the
// private key, sealed.
func newSigningKey(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint) (public ed25519.PublicKey, sealed []byte) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), box.Seal(seed, signingKeyContext(org, endpoint))
}

// openSigningKeys opens what newSigningKey sealed and keeps the order. A nil
// value is skipped: the endpoint does not have that pair.
func openSigningKeys(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, sealed ...[]byte) (keys []ed25519.PrivateKey, err error) {
	for _, s := range sealed {
		if s == nil {
			continue
		}
		seed, err := box.Open(s, signingKeyContext(org, endpoint))
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
