package sending

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/secret"
)

const (
	maxChain     = 10
	maxChainPEM  = 16 << 10
	maxKeyPEM    = 8 << 10
	leastRSABits = 2048
	mostRSABits  = 8192 // larger ones are slow to sign with, and many servers refuse them
)

// ClientCertificate is presented to a server that asks for a client certificate.
// The zero value means no certificate.
type ClientCertificate struct {
	chain     []byte // DER, the leaf first
	key       []byte // PKCS #8
	expiresAt time.Time
}

// ParseClientCertificate reads a chain and its private key, both PEM. Two empty
// texts mean no certificate. Its faults never repeat the input, which may be
// secret: a caller may have sent the key in the field of the chain.
func ParseClientCertificate(certificate, privateKey string, now time.Time) (*ClientCertificate, error) {
	const field = "client_certificate"
	switch {
	case certificate == "" && privateKey == "":
		return &ClientCertificate{}, nil
	case certificate == "":
		return nil, fault.InvalidField(field+".certificate", "is missing: send it with private_key, or {} to remove the client certificate")
	case privateKey == "":
		return nil, fault.InvalidField(field+".private_key", "is missing: send it with certificate, or {} to remove the client certificate")
	}
	chain, wrong := parseChain(certificate, now)
	if wrong != "" {
		return nil, fault.InvalidField(field+".certificate", wrong)
	}
	key, wrong := parseKey(privateKey, chain[0])
	if wrong != "" {
		return nil, fault.InvalidField(field+".private_key", wrong)
	}
	c := &ClientCertificate{key: key, expiresAt: chain[0].NotAfter}
	for _, one := range chain {
		c.chain = append(c.chain, one.Raw...)
	}
	return c, nil
}

// parseChain keeps the certificates only, so other text in the PEM file is never
// stored unencrypted.
func parseChain(text string, now time.Time) (chain []*x509.Certificate, wrong string) {
	if len(text) > maxChainPEM {
		return nil, fmt.Sprintf("must have at most %d characters", maxChainPEM)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, "must contain only certificates (-----BEGIN CERTIFICATE-----), the client certificate itself first"
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Sprintf("has a certificate that cannot be parsed: number %d", len(chain)+1)
		}
		chain = append(chain, one)
	}
	switch {
	case len(chain) == 0:
		return nil, "is not a PEM certificate, which starts with -----BEGIN CERTIFICATE-----"
	case len(chain) > maxChain:
		return nil, fmt.Sprintf("must have at most %d certificates: the client certificate itself and those that issued it", maxChain)
	case now.After(chain[0].NotAfter):
		return nil, "expired on " + chain[0].NotAfter.UTC().Format(time.DateOnly) + ": send one that is valid"
	}
	return chain, checkStrength(chain[0].PublicKey)
}

// checkStrength returns why a key's type or size is not accepted, or "".
func checkStrength(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= leastRSABits && bits <= mostRSABits {
			return ""
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P224() {
			return ""
		}
	case ed25519.PublicKey:
		return ""
	}
	return fmt.Sprintf("must have an RSA key with %d to %d bits, an ECDSA key on P-256, P-384 or P-521, or an Ed25519 key", leastRSABits, mostRSABits)
}

// parseKey returns the leaf's private key as PKCS #8.
func parseKey(text string, leaf *x509.Certificate) (key []byte, wrong string) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case len(text) > maxKeyPEM:
		return nil, fmt.Sprintf("must have at most %d characters", maxKeyPEM)
	case block == nil:
		return nil, "is not a PEM private key, which starts with -----BEGIN PRIVATE KEY-----"
	case strings.HasPrefix(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
		return nil, "is encrypted: send it without a passphrase (openssl pkey -in key.pem); Portico stores it encrypted"
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, "must contain one private key and nothing else"
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), []byte(text))
	if err != nil {
		return nil, "cannot be read, or does not belong to the certificate"
	}
	if key, err = x509.MarshalPKCS8PrivateKey(pair.PrivateKey); err != nil {
		return nil, "cannot be read, or does not belong to the certificate"
	}
	return key, ""
}

// clientKeyContext binds the sealed private key of a client certificate to its endpoint.
func clientKeyContext(org id.Org, endpoint id.WebhookEndpoint) string {
	return "webhook_client_key/" + org.String() + "/" + endpoint.String()
}

// Seal returns the chain, its private key sealed, and when the certificate
// expires; nil for no certificate.
func (c *ClientCertificate) Seal(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint) (chain, sealed []byte, expiresAt *time.Time) {
	if c.chain == nil {
		return nil, nil, nil
	}
	return c.chain, box.Seal(c.key, clientKeyContext(org, endpoint)), &c.expiresAt
}

// OpenClientCertificate returns what Seal returned; nil if the endpoint has no
// client certificate.
func OpenClientCertificate(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, chain, sealed []byte) (*ClientCertificate, error) {
	if chain == nil {
		return nil, nil
	}
	key, err := box.Open(sealed, clientKeyContext(org, endpoint))
	if err != nil {
		return nil, fmt.Errorf("key of the client certificate: %w", err)
	}
	return &ClientCertificate{chain: chain, key: key}, nil
}

// equal compares the chains only: a chain has one private key.
func (c *ClientCertificate) equal(other *ClientCertificate) bool {
	return bytes.Equal(c.chain, other.chain)
}

// forTLS returns the form that crypto/tls presents.
func (c *ClientCertificate) forTLS() (*tls.Certificate, error) {
	chain, err := x509.ParseCertificates(c.chain)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(c.key)
	if err != nil {
		return nil, err
	}
	made := &tls.Certificate{Leaf: chain[0], PrivateKey: key}
	for _, one := range chain {
		made.Certificate = append(made.Certificate, one.Raw)
	}
	return made, nil
}
