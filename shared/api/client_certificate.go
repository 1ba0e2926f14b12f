package api

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"portico/shared/webhook"
)

// ClientCertificate is a certificate and its key as they are set.
type ClientCertificate struct {
	_           struct{} `nullable:"true"`
	Certificate string   `json:"certificate,omitempty" doc:"PEM: the endpoint's own certificate first, then those that issued it."`
	PrivateKey  string   `json:"private_key,omitempty" doc:"PEM, without a passphrase: RSA from 2,048 bits, ECDSA or Ed25519. Kept sealed and never shown again."`
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
	_           struct{}  `nullable:"true"`
	Subject     string    `json:"subject" example:"CN=portico,O=Acme"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial" doc:"Hexadecimal."`
	Fingerprint string    `json:"fingerprint_sha256" doc:"Of the whole certificate, hexadecimal."`
	ExpiresAt   time.Time `json:"expires_at"`
}

func showCertificate(o webhook.Options) *ShownCertificate {
	leaf := o.Leaf()
	if leaf == nil {
		return nil
	}
	sum := sha256.Sum256(leaf.Raw)
	return &ShownCertificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), Serial: leaf.SerialNumber.Text(16),
		Fingerprint: hex.EncodeToString(sum[:]), ExpiresAt: leaf.NotAfter.UTC(),
	}
}
