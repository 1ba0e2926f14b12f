package testkit

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority issues certificates that only a test trusts.
type Authority struct {
	t    testing.TB
	root *x509.Certificate // nil until it exists
	key  crypto.Signer
}

// NewAuthority returns a new authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, key: ECDSA(t)}
	a.root = a.sign(a.key.Public(), x509.Certificate{
		Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().AddDate(20, 0, 0),
	})
	return a
}

// ECDSA returns a fresh key on P-256.
func ECDSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Pool returns a pool that trusts this authority only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// PEM returns the authority's own certificate.
func (a *Authority) PEM() string { return encodePEM("CERTIFICATE", a.root.Raw) }

// Issue returns a certificate for a key, and the key, both in PEM. It is valid for
// clients, for servers on 127.0.0.1 and for servers with those names.
func (a *Authority) Issue(key crypto.Signer, expires time.Time, names ...string) (certificate, privateKey string) {
	a.t.Helper()
	leaf := a.sign(key.Public(), x509.Certificate{
		Subject: pkix.Name{CommonName: "portico", Organization: []string{"Acme"}}, NotAfter: expires,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return encodePEM("CERTIFICATE", leaf.Raw), encodePEM("PRIVATE KEY", der)
}

// Server returns the TLS configuration of a server on 127.0.0.1 that a client of Pool trusts.
func (a *Authority) Server() *tls.Config {
	a.t.Helper()
	certificate, key := a.Issue(ECDSA(a.t), time.Now().AddDate(20, 0, 0))
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// Demanding is Server, but demands a client certificate of the authority.
func (a *Authority) Demanding(version uint16) *tls.Config {
	config := a.Server()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	config.MinVersion, config.MaxVersion = version, version
	return config
}

func (a *Authority) sign(public crypto.PublicKey, c x509.Certificate) *x509.Certificate {
	a.t.Helper()
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore = time.Now().AddDate(-10, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, &c, cmp.Or(a.root, &c), public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
