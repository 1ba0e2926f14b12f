package signing

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Signature schemes: how an endpoint's deliveries are signed.
const (
	SchemePortico            = "portico"             // Stripe's format: see Sign
	SchemeStandard           = "standard"            // Standard Webhooks v1: HMAC
	SchemeStandardAsymmetric = "standard_asymmetric" // Standard Webhooks v1a: Ed25519
)

// Signer signs an endpoint's deliveries.
type Signer struct {
	Scheme  string
	Secrets []string             // newest first
	Keys    []ed25519.PrivateKey // newest first; empty if the scheme was never SchemeStandardAsymmetric
}

// SetHeaders sets the signature headers of one try, with the time of the try and
// the id of the event.
func (s *Signer) SetHeaders(header http.Header, event string, now time.Time, body []byte) error {
	header.Set("Webhook-Id", event)
	if s.Scheme == SchemePortico {
		header.Set("Webhook-Signature", Sign(body, now, s.Secrets...))
		return nil
	}
	var signature string
	var err error
	if s.Scheme == SchemeStandardAsymmetric {
		signature = SignAsymmetric(event, now, body, s.Keys...)
	} else {
		signature, err = SignStandard(event, now, body, s.Secrets...)
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
			return "", fmt.Errorf("signing.SignStandard: a secret is not %s and base64", secretPrefix)
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
