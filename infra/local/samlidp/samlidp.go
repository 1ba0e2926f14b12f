// Package samlidp plays the SAML provider of an organization in the local stack and in tests:
// crewjam/saml's, with a form in which everybody is who they say they are.
package samlidp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/crewjam/saml"
)

// Provider is the site. Its metadata is at /metadata, which is also its entity id.
type Provider struct {
	// Services is how the entity ids of those begin whom it knows. An entity id is also where
	// their metadata is.
	Services string

	idp *saml.IdentityProvider
}

// Key signs. Both are in DER: the key, and its certificate.
type Key struct{ Private, Certificate []byte }

// NewKey makes a key with a certificate from a time on, for ten years.
func NewKey(from time.Time) (k Key, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: "SAML provider of the local stack"}, NotBefore: from, NotAfter: from.AddDate(10, 0, 0)}
	k.Private = x509.MarshalPKCS1PrivateKey(key)
	k.Certificate, err = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	return k, err
}

// KeepKey returns the key in a file, which it makes if there is none; "": a new one.
func KeepKey(file string) (k Key, err error) {
	if file == "" {
		return NewKey(time.Now())
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &k)
		return k, err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	if k, err = NewKey(time.Now()); err != nil {
		return k, err
	}
	if text, err = json.Marshal(k); err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	return k, err
}

// New returns the provider at an address.
func New(address, services string, k Key) (*Provider, error) {
	at, err := url.Parse(address + "/")
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PrivateKey(k.Private)
	if err != nil {
		return nil, err
	}
	p := &Provider{Services: services}
	p.idp = &saml.IdentityProvider{
		Key: key, Certificate: certificate, Logger: log.New(io.Discard, "", 0), SignatureMethod: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		MetadataURL: *at.JoinPath("metadata"), SSOURL: *at.JoinPath("sso"), ServiceProviderProvider: p, SessionProvider: p,
	}
	return p, nil
}

// Issuer is the entity id, and where the metadata is.
func (p *Provider) Issuer() string { return p.idp.MetadataURL.String() }

// URL is where browsers bring requests.
func (p *Provider) URL() string { return p.idp.SSOURL.String() }

// Certificate is that of the key that signs, in PEM.
func (p *Provider) Certificate() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.idp.Certificate.Raw}))
}

// ServeHTTP answers as a provider does.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == p.idp.MetadataURL.Path:
		p.idp.ServeMetadata(w, r)
	case r.URL.Path != p.idp.SSOURL.Path || r.ParseForm() != nil:
		http.NotFound(w, r)
	default:
		asked := r.Clone(r.Context())
		asked.Method = http.MethodGet // the request is in the query, also if our form comes with it
		p.idp.ServeSSO(w, asked)
	}
}

// GetServiceProvider reads the metadata of who sends a browser here.
func (p *Provider) GetServiceProvider(r *http.Request, entity string) (*saml.EntityDescriptor, error) {
	if !strings.HasPrefix(entity, p.Services) {
		return nil, os.ErrNotExist
	}
	asked, err := http.NewRequestWithContext(r.Context(), http.MethodGet, entity, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metadata at %s: %s", entity, answer.Status)
	}
	var found saml.EntityDescriptor
	return &found, xml.Unmarshal(text, &found)
}

var form = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>SAML provider of the local stack</title><body style="font:16px system-ui;max-width:24rem;margin:10vh auto">
<h1>SAML provider of the local stack</h1>
<form method="post"><p><label>Who are you? <input name="email" type="email" required value="ada@example.com"></label></p>
<p><label>Your name <input name="name" required value="Ada Lovelace"></label></p>
<button>Sign in</button></form>`))

// GetSession asks who somebody is, and believes it.
func (p *Provider) GetSession(w http.ResponseWriter, r *http.Request, _ *saml.IdpAuthnRequest) *saml.Session {
	email := strings.ToLower(r.PostForm.Get("email"))
	if email == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = form.Execute(w, nil) // the browser may be gone
		return nil
	}
	now := time.Now()
	return &saml.Session{
		ID: rand.Text(), Index: rand.Text(), CreateTime: now, ExpireTime: now.Add(time.Hour),
		NameID: email, NameIDFormat: string(saml.PersistentNameIDFormat), UserEmail: email, UserCommonName: r.PostForm.Get("name"),
	}
}
