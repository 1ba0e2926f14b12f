package saml_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"math/big"
	"strings"
	"testing"

	crewjam "github.com/crewjam/saml"

	"portico/shared/saml"
)

// metadata returns metadata as Okta publishes it.
func metadata(keys ...string) string {
	text := `<?xml version="1.0" encoding="UTF-8"?><md:EntityDescriptor entityID="http://www.okta.com/exk1" xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"><md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`
	for _, key := range keys {
		text += `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="` + dsig + `"><ds:X509Data><ds:X509Certificate>` + key + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
	}
	return text + `<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://acme.okta.com/post"/>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://acme.okta.com/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

func TestReadMetadata(t *testing.T) {
	t.Parallel()
	ours, foreign := two(t)
	one, two := base64.StdEncoding.EncodeToString(ours.cert.Raw), base64.StdEncoding.EncodeToString(foreign.cert.Raw)
	got, err := saml.ReadMetadata([]byte(metadata(one[:64]+"\n "+one[64:], two, one)))
	if err != nil || got.Issuer != "http://www.okta.com/exk1" || got.URL != "https://acme.okta.com/sso" ||
		len(got.Certificates) != 2 || !got.Certificates[0].Equal(ours.cert) || !got.Certificates[1].Equal(foreign.cert) {
		t.Errorf("%+v (%v)", got, err)
	}
	local := strings.Replace(metadata(one), "https://acme.okta.com/sso", "http://127.0.0.1:8000/sso", 1)
	if got, err := saml.ReadMetadata([]byte(local)); err != nil || got.URL != "http://127.0.0.1:8000/sso" {
		t.Errorf("on this machine: %+v (%v)", got, err)
	}
	change := func(old, with string) string { return strings.ReplaceAll(metadata(one), old, with) }
	for name, tt := range map[string]struct {
		text string
		want saml.Code
	}{
		"nothing":                     {"", saml.Unreadable},
		"an address, not XML":         {"https://acme.okta.com/metadata", saml.Unreadable},
		"a document type":             {"<!DOCTYPE r>" + change(`<?xml version="1.0" encoding="UTF-8"?>`, ""), saml.DTD},
		"several providers":           {`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>`, saml.WrongKind},
		"of a service provider":       {change("IDPSSODescriptor", "SPSSODescriptor"), saml.WrongKind},
		"without a name":              {change("http://www.okta.com/exk1", ""), saml.WrongKind},
		"without the redirect":        {change("HTTP-Redirect", "HTTP-Artifact"), saml.NoEndpoint},
		"without TLS":                 {change("https://acme.okta.com/sso", "http://acme.okta.com/sso"), saml.NoEndpoint},
		"a script":                    {change("https://acme.okta.com/sso", "javascript:alert(1)"), saml.Unreadable},
		"with a password":             {change("https://acme.okta.com/sso", "https://a:b@acme.okta.com/sso"), saml.NoEndpoint},
		"a certificate for something": {change(`use="signing"`, `use="encryption"`), saml.Certificate},
		"no certificate":              {metadata(), saml.Certificate},
		"a broken certificate":        {metadata("AAAA"), saml.Certificate},
		"not base64":                  {metadata("%"), saml.Certificate},
		"a wrong time":                {change("<md:IDPSSODescriptor", `<md:IDPSSODescriptor validUntil="soon"`), saml.Unreadable},
		"too large":                   {metadata(strings.Repeat("A", 300<<10)), saml.TooLarge},
	} {
		got, err := saml.ReadMetadata([]byte(tt.text))
		var refusal *saml.Error
		if !errors.As(err, &refusal) || refusal.Code != tt.want || refusal.Step() == "" {
			t.Errorf("%s: %+v (%v), want the code %s", name, got, err, tt.want)
		}
	}
}

// Certificates come as PEM or as base64 alone, and weak keys are refused.
func TestReadCertificate(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw}))
	if got, err := saml.ReadCertificate("\n" + strings.ReplaceAll(text, "\n", "\r\n")); err != nil || !got.Equal(ours.cert) {
		t.Errorf("PEM: %v", err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0)}
	for name, key := range map[string][2]any{"RSA of 1,024 bits": {weak.Public(), weak}, "ECDSA": {curve.Public(), curve}} {
		der, err := x509.CreateCertificate(rand.Reader, template, template, key[0], key[1])
		if err != nil {
			t.Fatal(err)
		}
		_, err = saml.ReadCertificate(base64.StdEncoding.EncodeToString(der))
		var refusal *saml.Error
		if !errors.As(err, &refusal) || refusal.Code != saml.Certificate {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Another library reads our metadata.
func TestMetadata(t *testing.T) {
	t.Parallel()
	var got crewjam.EntityDescriptor
	if err := xml.Unmarshal(connection().ServiceProvider.Metadata(), &got); err != nil || len(got.SPSSODescriptors) != 1 {
		t.Fatalf("%+v (%v)", got, err)
	}
	role := got.SPSSODescriptors[0]
	if got.EntityID != entity || len(role.AssertionConsumerServices) != 1 || role.AssertionConsumerServices[0].Location != acs ||
		role.AssertionConsumerServices[0].Binding != crewjam.HTTPPostBinding || role.WantAssertionsSigned == nil || !*role.WantAssertionsSigned {
		t.Errorf("%+v", role)
	}
}
