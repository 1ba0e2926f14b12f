package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"portico/shared/clock"
	"portico/shared/webhook"
)

// ClientCertificate is a certificate and its key as they are set.
type ClientCertificate struct {
	_           struct{} `nullable:"true"`
	Certificate string   `json:"certificate,omitempty" doc:"PEM: the endpoint's own certificate first, then those that issued it." example:"-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----"`
	PrivateKey  string   `json:"private_key,omitempty" doc:"PEM, without a passphrase: RSA from 2,048 bits, ECDSA or Ed25519. Kept sealed and never shown again." example:"-----BEGIN PRIVATE KEY-----\nMIGH…\n-----END PRIVATE KEY-----"`
}

// parse returns nil for a certificate that is not named.
func (c *ClientCertificate) parse(now time.Time) (*webhook.ClientCertificate, error) {
	if c == nil {
		return nil, nil
	}
	return webhook.ParseClientCertificate(c.Certificate, c.PrivateKey, now)
}

// ShownCertificate says which certificate it is, and nothing of its key.
type ShownCertificate struct {
	_           struct{}    `nullable:"true"`
	Subject     string      `json:"subject" example:"CN=portico,O=Acme" doc:"Whose certificate it is."`
	Issuer      string      `json:"issuer" doc:"Who issued it." example:"CN=Acme CA,O=Acme"`
	Serial      string      `json:"serial" doc:"Hexadecimal." example:"7b3f"`
	Fingerprint string      `json:"fingerprint_sha256" doc:"Of the whole certificate, hexadecimal." example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	ExpiresAt   clock.Stamp `json:"expires_at" format:"date-time" doc:"When it expires."`
}

func showCertificate(o webhook.Options) *ShownCertificate {
	leaf := o.Leaf()
	if leaf == nil {
		return nil
	}
	sum := sha256.Sum256(leaf.Raw)
	return &ShownCertificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), Serial: leaf.SerialNumber.Text(16),
		Fingerprint: hex.EncodeToString(sum[:]), ExpiresAt: clock.Stamp(leaf.NotAfter),
	}
}
