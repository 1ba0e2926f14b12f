package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"portico/shared/clock"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// ClientCertificate is a certificate with its private key, as requests send it.
type ClientCertificate struct {
	_           struct{} `nullable:"true"`
	Certificate string   `json:"certificate,omitempty" doc:"PEM: the endpoint's own certificate first, then the certificates of its issuers." example:"-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----"`
	PrivateKey  string   `json:"private_key,omitempty" doc:"PEM, without a passphrase: RSA from 2,048 bits, ECDSA or Ed25519. Stored encrypted and never shown again." example:"-----BEGIN PRIVATE KEY-----\nMIGH…\n-----END PRIVATE KEY-----"`
}

// parse returns nil if the request has no certificate.
func (c *ClientCertificate) parse(now time.Time) (*sending.ClientCertificate, error) {
	if c == nil {
		return nil, nil
	}
	return sending.ParseClientCertificate(c.Certificate, c.PrivateKey, now)
}

// ShownCertificate identifies a certificate, without its private key.
type ShownCertificate struct {
	_           struct{}    `nullable:"true"`
	Subject     string      `json:"subject" example:"CN=portico,O=Acme" doc:"The subject of the certificate."`
	Issuer      string      `json:"issuer" doc:"The issuer of the certificate." example:"CN=Acme CA,O=Acme"`
	Serial      string      `json:"serial" doc:"The serial number, hexadecimal." example:"7b3f"`
	Fingerprint string      `json:"fingerprint_sha256" doc:"The SHA-256 of the whole certificate, hexadecimal." example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	ExpiresAt   clock.Stamp `json:"expires_at" format:"date-time" doc:"When the certificate expires."`
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
