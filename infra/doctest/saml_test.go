package doctest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portico/shared/saml"
)

// secondSigner is an identity provider of another implementation: pysaml2, which lets
// Debian's xmlsec1 sign.
type secondSigner struct {
	t       *testing.T
	answers *json.Decoder
	asks    *json.Encoder
}

// newSecondSigner starts the provider for a service provider, and returns its metadata.
func newSecondSigner(t *testing.T, sp saml.ServiceProvider) (s secondSigner, metadata string) {
	t.Helper()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		"sp.xml":   sp.Metadata(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), root+"/.local/doctest/bin/python", "pysaml2.py", dir)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(in.Close(), cmd.Wait()) })
	s = secondSigner{t, json.NewDecoder(out), json.NewEncoder(in)}
	if err := s.answers.Decode(&metadata); err != nil {
		t.Fatal(err)
	}
	return s, metadata
}

// asked says what the second signer signs, and how, in pysaml2's names.
type asked struct {
	Request   string `json:"request"`
	Response  bool   `json:"response"`
	Assertion bool   `json:"assertion"`
	Method    string `json:"method"`
	Digest    string `json:"digest"`
}

func (s secondSigner) sign(a asked) (form string) {
	s.t.Helper()
	if err := errors.Join(s.asks.Encode(a), s.answers.Decode(&form)); err != nil {
		s.t.Fatal(err)
	}
	return form
}

// pysaml2 reads our metadata and our request, and we read its metadata and what xmlsec1
// signs: a second implementation of everything that shared/saml does.
func TestPysaml2SignsIn(t *testing.T) {
	t.Parallel()
	c := saml.Connection{ServiceProvider: saml.ServiceProvider{EntityID: "https://console.example.com/saml/sso_1", ACS: "https://console.example.com/saml/sso_1/acs"}}
	signer, metadata := newSecondSigner(t, c.ServiceProvider)
	var err error
	if c.IdentityProvider, err = saml.ReadMetadata([]byte(metadata)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		asked
		want saml.Code
	}{
		"both, SHA-256":          {asked{Response: true, Assertion: true, Method: "SIG_RSA_SHA256", Digest: "DIGEST_SHA256"}, ""},
		"the response, SHA-384":  {asked{Response: true, Method: "SIG_RSA_SHA384", Digest: "DIGEST_SHA384"}, ""},
		"the assertion, SHA-512": {asked{Assertion: true, Method: "SIG_RSA_SHA512", Digest: "DIGEST_SHA512"}, ""},
		"SHA-1":                  {asked{Assertion: true, Method: "SIG_RSA_SHA1", Digest: "DIGEST_SHA1"}, saml.Algorithm},
		"nothing":                {asked{Method: "SIG_RSA_SHA256", Digest: "DIGEST_SHA256"}, saml.Unsigned},
	} {
		var request string
		if tt.Request, request, err = c.Begin("state", time.Now()); err != nil {
			t.Fatal(err)
		}
		form := signer.sign(tt.asked)
		got, err := c.Verify(form, request, time.Now())
		var refusal *saml.Error
		switch {
		case tt.want != "":
			if !errors.As(err, &refusal) || refusal.Code != tt.want {
				t.Errorf("%s: %+v (%v), want the code %s", name, got, err, tt.want)
			}
		case err != nil || got.Subject != "ada" || got.Email != "ada@acme.example" || got.Name != "Ada Lovelace":
			t.Errorf("%s: %+v (%v)", name, got, err)
		}
		text, err := base64.StdEncoding.DecodeString(form)
		if err != nil {
			t.Fatal(err)
		}
		forged := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), "Ada@acme", "Eve@acme", 1)))
		if got, err := c.Verify(forged, request, time.Now()); err == nil {
			t.Errorf("%s: it was forged to %+v", name, got)
		}
	}
}
