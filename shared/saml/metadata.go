package saml

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/crewjam/saml"
)

const (
	metadata        = "urn:oasis:names:tc:SAML:2.0:metadata"
	maxCertificates = 10
	minKey          = 2048 // bits of an RSA key
)

// ReadMetadata returns the provider that metadata describes: the XML that an administrator
// has copied. Its signature, if it has one, says nothing, because nobody here knows the
// signer. It fails with an *Error.
func ReadMetadata(text []byte) (IdentityProvider, error) {
	root, err := read(text)
	if err != nil {
		return IdentityProvider{}, err
	}
	if !is(root, metadata, "EntityDescriptor") {
		return IdentityProvider{}, refused(WrongKind, "the document is %q, not the EntityDescriptor of one identity provider", root.Tag)
	}
	var entity saml.EntityDescriptor
	if err := decode(root, &entity); err != nil {
		return IdentityProvider{}, err
	}
	idp := IdentityProvider{Issuer: entity.EntityID}
	if len(entity.IDPSSODescriptors) != 1 || idp.Issuer == "" || len(idp.Issuer) > 1024 {
		return idp, refused(WrongKind, "the metadata has not exactly one IDPSSODescriptor, or no entityID of up to 1,024 bytes: is it that of an identity provider?")
	}
	role := entity.IDPSSODescriptors[0]
	at := slices.IndexFunc(role.SingleSignOnServices, func(e saml.Endpoint) bool { return e.Binding == saml.HTTPRedirectBinding })
	if at < 0 || !MayLead(role.SingleSignOnServices[at].Location) {
		return idp, refused(NoEndpoint, "the metadata has no SingleSignOnService for HTTP-Redirect with an https address")
	}
	idp.URL = role.SingleSignOnServices[at].Location
	idp.Certificates, err = certificates(role.KeyDescriptors)
	return idp, err
}

// MayLead reports whether browsers may be sent to an address: by https, or on their own
// machine, where a provider for tests may run.
func MayLead(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(address) > 2048 {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// certificates returns those that may sign, each once.
func certificates(descriptors []saml.KeyDescriptor) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for _, d := range descriptors {
		if d.Use != "" && d.Use != "signing" {
			continue
		}
		for _, one := range d.KeyInfo.X509Data.X509Certificates {
			c, err := ReadCertificate(one.Data)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(found, c.Equal) {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 || len(found) > maxCertificates {
		return nil, refused(Certificate, "the metadata has %d certificates for signing: it needs 1 to %d", len(found), maxCertificates)
	}
	return found, nil
}

// ReadCertificate reads a certificate in base64, with or without the lines around it that
// PEM has. Its key must be RSA of at least 2,048 bits: goxmldsig reads the signatures of
// elliptic curves in another form than XML Signature's. It fails with an *Error.
func ReadCertificate(text string) (*x509.Certificate, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "-----BEGIN CERTIFICATE-----")
	text = strings.TrimSuffix(text, "-----END CERTIFICATE-----")
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, refused(Certificate, "the certificate is not base64")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refused(Certificate, "the certificate cannot be read: %s", err.Error())
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() >= minKey {
		return c, nil
	}
	return nil, refused(Certificate, "the key of the certificate is not RSA of at least %d bits", minKey)
}

// Metadata returns what a provider's administrator needs to know of us, as XML.
func (sp ServiceProvider) Metadata() []byte {
	type endpoint struct {
		Binding   string `xml:",attr"`
		Location  string `xml:",attr"`
		Index     int    `xml:"index,attr"`
		IsDefault bool   `xml:"isDefault,attr"`
	}
	type role struct {
		AuthnRequestsSigned  bool     `xml:",attr"`
		WantAssertionsSigned bool     `xml:",attr"`
		Protocols            string   `xml:"protocolSupportEnumeration,attr"`
		NameIDFormat         []string `xml:"NameIDFormat"`
		ACS                  endpoint `xml:"AssertionConsumerService"`
	}
	text, err := xml.Marshal(struct {
		XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		EntityID string   `xml:"entityID,attr"`
		Role     role     `xml:"SPSSODescriptor"`
	}{EntityID: sp.EntityID, Role: role{
		WantAssertionsSigned: true, Protocols: protocol,
		NameIDFormat: []string{"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", emailAddress},
		ACS:          endpoint{Binding: saml.HTTPPostBinding, Location: sp.ACS, Index: 0, IsDefault: true},
	}})
	if err != nil {
		panic(err) // strings and numbers can be written
	}
	return append([]byte(xml.Header), text...)
}
