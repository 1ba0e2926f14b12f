package saml

import (
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

const encryption = "http://www.w3.org/2001/04/xmlenc#"

var (
	digests = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
	methods           = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod}
	canonicalizations = []string{
		dsig.CanonicalXML10ExclusiveAlgorithmId.String(), dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId.String(),
	}
)

// envelope is a response whose structure is right: one assertion, directly in it, and no
// signature but directly in the response or in the assertion.
type envelope struct {
	response, assertion *etree.Element // assertion is nil if there is none
	signed, asserted    bool           // whether each has a signature of its own
}

// open checks the structure of a response. Every wrapping attack needs a second response or
// assertion, a repeated id, or a signature at another place, so it fails here, whatever
// verifies the signature.
func open(root *etree.Element) (envelope, error) {
	e := envelope{response: root}
	if !is(root, protocol, "Response") {
		return e, refused(Structure, "the document is %q, not a Response of SAML 2.0", root.Tag)
	}
	return e, e.visit(root, map[string]bool{})
}

// visit looks at an element and all below it. ids are those that it has seen.
func (e *envelope) visit(el *etree.Element, ids map[string]bool) error {
	for _, a := range el.Attr {
		if !strings.EqualFold(a.Key, "id") {
			continue
		}
		if ids[a.Value] || a.Space != "" {
			return refused(Structure, "the id %q of %q stands there twice, or has a prefix", a.Value, el.Tag)
		}
		ids[a.Value] = true
	}
	if err := e.place(el); err != nil {
		return err
	}
	for _, child := range el.ChildElements() {
		if err := e.visit(child, ids); err != nil {
			return err
		}
	}
	return nil
}

// place checks that an element is where it may be.
func (e *envelope) place(el *etree.Element) error {
	parent := el.Parent()
	switch {
	case el.Tag == "EncryptedAssertion" || el.Tag == "EncryptedID" || el.NamespaceURI() == encryption:
		return refused(Encrypted, "the response is encrypted (%s): switch this off at the provider, TLS encrypts the way already", el.Tag)
	case el.Tag == "Response" && el != e.response:
		return refused(Structure, "there is a Response in the response")
	case el.Tag == "Assertion":
		if e.assertion != nil || parent != e.response || !is(el, assertion, "Assertion") {
			return refused(Structure, "there is more than one Assertion, or one at another place than in the Response")
		}
		e.assertion = el
	case el.Tag == "Signature":
		here := &e.signed
		if parent == e.assertion && parent != nil {
			here = &e.asserted
		} else if parent != e.response {
			return refused(Structure, "there is a Signature in %q", parent.Tag)
		}
		if *here || !is(el, dsig.Namespace, "Signature") {
			return refused(Structure, "%q has more than one Signature", parent.Tag)
		}
		*here = true
	}
	return nil
}

// verify returns an element as the provider has signed it, read anew from the bytes that
// were signed. What the signature does not cover is not in it.
func (idp IdentityProvider) verify(el *etree.Element, now time.Time) (*etree.Element, error) {
	outer, err := etreeutils.NSBuildParentContext(el)
	if err == nil {
		outer, err = outer.SubContext(el)
	}
	if err != nil {
		return nil, refused(Unreadable, "namespaces of %s: %s", el.Tag, err.Error())
	}
	detached, err := etreeutils.NSDetatch(outer, el) // a copy, which knows the namespaces
	if err != nil {
		return nil, refused(Unreadable, "namespaces of %s: %s", el.Tag, err.Error())
	}
	signature := detached.SelectElement("Signature")
	if err := shape(signature, detached.SelectAttrValue("ID", "")); err != nil {
		return nil, err
	}
	keys, err := idp.keys(signature, now)
	if err != nil {
		return nil, err
	}
	// Only our certificates count. The verifier below would look for the one that is
	// named in the signature, and some providers name none.
	if info := signature.SelectElement("KeyInfo"); info != nil {
		signature.RemoveChild(info)
	}
	for _, key := range keys {
		verifier := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{key}})
		verifier.Clock = dsig.NewFakeClockAt(now)
		if signed, err := verifier.Validate(detached); err == nil {
			return signed, nil
		}
	}
	return nil, refused(Signature, "the signature of %s fits none of the connection's certificates (%d are valid), or what it covers was changed", el.Tag, len(keys))
}

// shape refuses signatures of another form than SAML's: one reference, to the element that
// the signature is in, with the transforms that SAML core §5.4.4 names, and no SHA-1.
func shape(signature *etree.Element, id string) error {
	children := signature.ChildElements()
	if got := names(children); got != "SignedInfo SignatureValue" && got != "SignedInfo SignatureValue KeyInfo" {
		return refused(Structure, "the Signature has the elements %s", got)
	}
	info := children[0].ChildElements()
	if got := names(info); got != "CanonicalizationMethod SignatureMethod Reference" {
		return refused(Structure, "the SignedInfo has the elements %s, not one Reference", got)
	}
	reference := info[2].ChildElements()
	if got := names(reference); got != "Transforms DigestMethod DigestValue" {
		return refused(Structure, "the Reference has the elements %s", got)
	}
	if uri := info[2].SelectAttrValue("URI", ""); id == "" || uri != "#"+id {
		return refused(Structure, "the signature is of %q, not of the element that it is in (%q)", uri, id)
	}
	transforms := reference[0].ChildElements()
	if len(transforms) == 0 || len(transforms) > 2 || algorithm(transforms[0]) != dsig.EnvelopedSignatureAltorithmId.String() {
		return refused(Algorithm, "the Transforms are not enveloped-signature and exclusive canonicalization")
	}
	for _, c := range append([]*etree.Element{info[0]}, transforms[1:]...) {
		if !slices.Contains(canonicalizations, algorithm(c)) {
			return refused(Algorithm, "the canonicalization %q is not the exclusive one", algorithm(c))
		}
	}
	if method := algorithm(info[1]); !slices.Contains(methods, method) {
		return refused(Algorithm, "signed with %q: set the provider to RSA with SHA-256", method)
	}
	if digest := algorithm(reference[1]); !slices.Contains(digests, digest) {
		return refused(Algorithm, "digested with %q: set the provider to SHA-256", digest)
	}
	return nil
}

// names returns the tags of elements of XML Signature; others have a "?" before them.
func names(elements []*etree.Element) string {
	tags := make([]string, len(elements))
	for i, el := range elements {
		if tags[i] = el.Tag; el.NamespaceURI() != dsig.Namespace {
			tags[i] = "?" + el.Tag
		}
	}
	return strings.Join(tags, " ")
}

func algorithm(el *etree.Element) string { return el.SelectAttrValue("Algorithm", "") }

// keys returns the certificates of the connection that are valid now, if the signature names
// one of the connection, or none at all.
func (idp IdentityProvider) keys(signature *etree.Element, now time.Time) ([]*x509.Certificate, error) {
	var valid []*x509.Certificate
	for _, c := range idp.Certificates {
		if !now.Before(c.NotBefore) && !now.After(c.NotAfter) {
			valid = append(valid, c)
		}
	}
	named := signature.FindElements("./KeyInfo/X509Data/X509Certificate")
	if len(named) > 0 && !slices.ContainsFunc(named, idp.has) {
		return nil, refused(UnknownKey, "signed with a certificate that the connection does not have: if the provider has a new one, add it to the connection")
	}
	if len(valid) == 0 {
		return nil, refused(ExpiredKey, "none of the connection's certificates (%d) is valid today", len(idp.Certificates))
	}
	return valid, nil
}

// has reports whether a certificate in a signature is one of the connection's.
func (idp IdentityProvider) has(named *etree.Element) bool {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(named.Text()), ""))
	return err == nil && slices.ContainsFunc(idp.Certificates, func(c *x509.Certificate) bool { return slices.Equal(c.Raw, der) })
}
