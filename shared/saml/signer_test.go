package saml_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // which a test signs with
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/saml"
)

const (
	dsig      = "http://www.w3.org/2000/09/xmldsig#"
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// noon is the time of the tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// signer is an identity provider's key. It signs without a library: the texts of these
// tests are already in the canonical form.
type signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// keyOf returns the same key for the same bits and number; making one takes long.
var keyOf = sync.OnceValues(func() (*rsa.PrivateKey, *rsa.PrivateKey) {
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return one, other
})

func newSigner(t testing.TB, key *rsa.PrivateKey, begins, ends time.Time) signer {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(begins.Unix()), Subject: pkix.Name{CommonName: "idp"}, NotBefore: begins, NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, cert}
}

// two returns the signer of the connection, and one that is not ours.
func two(t testing.TB) (ours, foreign signer) {
	t.Helper()
	one, other := keyOf()
	return newSigner(t, one, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)), newSigner(t, other, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0))
}

// how says how a signature is made; the zero value is how providers make it.
type how struct {
	hash       crypto.Hash
	method     string
	digest     string
	transforms string
	keyInfo    string // "": none
	reference  string // in place of the one reference
}

func (s signer) named() string {
	return `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(s.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
}

// signature returns the Signature of a canonical text with an id.
func (s signer) signature(t testing.TB, text, id string, h how) string {
	t.Helper()
	if h.hash == 0 {
		h.hash, h.method, h.digest = crypto.SHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256"
	}
	if h.transforms == "" {
		h.transforms = `<ds:Transform Algorithm="` + dsig + `enveloped-signature"></ds:Transform><ds:Transform Algorithm="` + exclusive + `"></ds:Transform>`
	}
	sum := func(text string) []byte {
		d := h.hash.New()
		d.Write([]byte(text))
		return d.Sum(nil)
	}
	reference := `<ds:Reference URI="#` + id + `"><ds:Transforms>` + h.transforms + `</ds:Transforms><ds:DigestMethod Algorithm="` + h.digest +
		`"></ds:DigestMethod><ds:DigestValue>` + base64.StdEncoding.EncodeToString(sum(text)) + `</ds:DigestValue></ds:Reference>`
	if h.reference != "" {
		reference = strings.ReplaceAll(h.reference, "{}", reference)
	}
	info := `<ds:CanonicalizationMethod Algorithm="` + exclusive + `"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="` + h.method + `"></ds:SignatureMethod>` + reference + `</ds:SignedInfo>`
	signed, err := rsa.SignPKCS1v15(rand.Reader, s.key, h.hash, sum(`<ds:SignedInfo xmlns:ds="`+dsig+`">`+info))
	if err != nil {
		t.Fatal(err)
	}
	return `<ds:Signature xmlns:ds="` + dsig + `"><ds:SignedInfo>` + info + `<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(signed) + `</ds:SignatureValue>` + h.keyInfo + `</ds:Signature>`
}

// message is a response in parts, which a test changes before it is signed.
type message struct {
	issuer, destination, answers, status, version string
	assertion                                     assertion
	noAssertion                                   bool
}

type assertion struct {
	id, issuer, answers, recipient, confirmed string // confirmed: the end of the confirmation
	nameID, conditions, statement, attributes string
}

const (
	entity = "https://console.example.com/saml/sso_1"
	acs    = "https://console.example.com/saml/sso_1/acs"
	asked  = "_request"
)

// answer returns what a provider answers to the request.
func answer() message {
	return message{
		issuer: "https://idp.example.com", destination: acs, answers: asked, version: "2.0",
		status: `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode>`,
		assertion: assertion{
			id: "_assertion", issuer: "https://idp.example.com", answers: asked, recipient: acs, confirmed: `NotOnOrAfter="2026-11-23T12:05:00Z" `,
			nameID: `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">00u1</saml:NameID>`,
			conditions: `<saml:Conditions NotBefore="2026-11-23T11:59:00Z" NotOnOrAfter="2026-11-23T12:04:00.5Z">` +
				`<saml:AudienceRestriction><saml:Audience>` + entity + `</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
			statement:  `<saml:AuthnStatement AuthnInstant="2026-11-23T12:00:00Z"></saml:AuthnStatement>`,
			attributes: attribute("email", "Ada@acme.example") + attribute("firstName", "Ada") + attribute("lastName", "Lovelace"),
		},
	}
}

func attribute(name string, values ...string) string {
	text := `<saml:Attribute Name="` + name + `">`
	for _, v := range values {
		text += `<saml:AttributeValue>` + v + `</saml:AttributeValue>`
	}
	return text + `</saml:Attribute>`
}

// text returns the assertion with its signature, if it has one.
func (a assertion) text(signature string) string {
	return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="` + a.id + `" IssueInstant="2026-11-23T12:00:00Z" Version="2.0"><saml:Issuer>` + a.issuer + `</saml:Issuer>` + signature +
		`<saml:Subject>` + a.nameID + `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="` + a.answers + `" ` + a.confirmed +
		`Recipient="` + a.recipient + `"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>` + a.conditions + a.statement +
		`<saml:AttributeStatement>` + a.attributes + `</saml:AttributeStatement></saml:Assertion>`
}

// text returns the response around the text of an assertion, with its signature, if it has
// one, and what a test puts before and after the assertion.
func (m message) text(signature, assertion string) string {
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="` + m.destination + `" ID="_response" InResponseTo="` + m.answers + `" IssueInstant="2026-11-23T12:00:00Z" Version="` + m.version + `">` +
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + m.issuer + `</saml:Issuer>` + signature + `<samlp:Status>` + m.status + `</samlp:Status>` + assertion + `</samlp:Response>`
}

// sign returns a response whose assertion is signed, as Entra does by default.
func (s signer) sign(t testing.TB, m message, h how) string {
	t.Helper()
	a := m.assertion.text("")
	if m.noAssertion {
		return m.text("", "")
	}
	return m.text("", m.assertion.text(s.signature(t, a, m.assertion.id, h)))
}

// signBoth returns a response that is signed and whose assertion is signed, as Okta does.
func (s signer) signBoth(t testing.TB, m message) string {
	t.Helper()
	a := m.assertion.text(s.signature(t, m.assertion.text(""), m.assertion.id, how{}))
	return m.text(s.signature(t, m.text("", a), "_response", how{keyInfo: s.named()}), a)
}

// signResponse returns a response that is signed as a whole only.
func (s signer) signResponse(t testing.TB, m message) string {
	t.Helper()
	a := m.assertion.text("")
	return m.text(s.signature(t, m.text("", a), "_response", how{}), a)
}

// connection returns a connection with certificates.
func connection(signers ...signer) saml.Connection {
	c := saml.Connection{
		ServiceProvider:  saml.ServiceProvider{EntityID: entity, ACS: acs},
		IdentityProvider: saml.IdentityProvider{Issuer: "https://idp.example.com", URL: "https://idp.example.com/sso?tenant=1"},
	}
	for _, s := range signers {
		c.Certificates = append(c.Certificates, s.cert)
	}
	return c
}

func form(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
