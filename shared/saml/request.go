package saml

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
)

// Begin returns where to send a browser so that the provider signs somebody in, and the id
// of the request, which Verify needs. state comes back with the response, as RelayState; it
// has at most 80 bytes.
func (c Connection) Begin(state string, now time.Time) (to, request string, err error) {
	target, err := url.Parse(c.URL)
	if err != nil {
		return "", "", refused(NoEndpoint, "the provider's address is not a URL")
	}
	request = "_" + rand.Text() // an XML id begins with no digit
	create, format := true, unspecified
	asked := saml.AuthnRequest{
		ID: request, Version: "2.0", IssueInstant: now.UTC(), Destination: c.URL,
		Issuer:          &saml.Issuer{Value: c.EntityID},
		NameIDPolicy:    &saml.NameIDPolicy{AllowCreate: &create, Format: &format},
		ProtocolBinding: saml.HTTPPostBinding, AssertionConsumerServiceURL: c.ACS,
	}
	doc := etree.NewDocument()
	doc.SetRoot(asked.Element())
	text, err := doc.WriteToBytes()
	if err != nil {
		return "", "", err
	}
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestCompression) // fails for unknown levels only
	_, _ = w.Write(text)                                      // into memory
	_ = w.Close()
	query := target.Query()
	query.Set("SAMLRequest", base64.StdEncoding.EncodeToString(deflated.Bytes()))
	query.Set("RelayState", state)
	target.RawQuery = query.Encode()
	return target.String(), request, nil
}
