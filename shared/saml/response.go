package saml

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	protocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	success   = "urn:oasis:names:tc:SAML:2.0:status:Success"
	bearer    = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// Skew is how far a provider's clock may be from ours.
const Skew = time.Minute

// responseText is what we read of a Response.
type responseText struct {
	Version      string `xml:",attr"`
	Destination  string `xml:",attr"`
	InResponseTo string `xml:",attr"`
	Issuer       string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Status       struct {
		Code struct {
			Value string `xml:",attr"`
			Code  struct {
				Value string `xml:",attr"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
		Message string `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusMessage"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:protocol Status"`
}

// assertionText is what we read of an Assertion. Comments in a text do not cut it:
// encoding/xml joins what stands before and after them, as the signer does.
type assertionText struct {
	ID      string `xml:",attr"`
	Version string `xml:",attr"`
	Issuer  string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Subject []struct {
		NameID []struct {
			Format string `xml:",attr"`
			Value  string `xml:",chardata"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
		Confirmations []confirmation `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmation"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject"`
	Conditions []struct {
		period
		Audiences []struct {
			Audience []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Audience"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AudienceRestriction"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
	Statements []struct {
		SessionNotOnOrAfter string `xml:",attr"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
	Attributes []attribute `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement>Attribute"`
}

// confirmation is who may bring the assertion, where, until when and for which request.
type confirmation struct {
	Method string `xml:",attr"`
	Data   struct {
		period
		Recipient    string `xml:",attr"`
		InResponseTo string `xml:",attr"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmationData"`
}

type period struct {
	NotBefore    string `xml:",attr"`
	NotOnOrAfter string `xml:",attr"`
}

// Verify returns whom a response names: the form's SAMLResponse, in base64. request is the
// id of the one request that the response may answer. It fails with an *Error.
func (c Connection) Verify(form, request string, now time.Time) (Person, error) {
	root, err := parse(form)
	if err != nil {
		return Person{}, err
	}
	e, err := open(root)
	if err != nil {
		return Person{}, err
	}
	var said responseText
	if err := decode(e.response, &said); err != nil {
		return Person{}, err
	}
	if err := said.check(); err != nil {
		return Person{}, err
	}
	response, asserted, err := c.signed(e, now)
	if err != nil {
		return Person{}, err
	}
	// From here on, only what is signed is read.
	var a assertionText
	if err := errors.Join(decode(response, &said), decode(asserted, &a)); err != nil {
		return Person{}, err
	}
	if err := c.answers(said, e.signed, request); err != nil {
		return Person{}, err
	}
	ends, err := c.checks(a, request, now)
	if err != nil {
		return Person{}, err
	}
	return a.person(ends)
}

// answers checks that a response is one of the provider to the request.
func (c Connection) answers(said responseText, signed bool, request string) error {
	switch {
	case said.Issuer != "" && strings.TrimSpace(said.Issuer) != c.Issuer:
		return refused(Issuer, "the Response is of the issuer %q, not of %q", said.Issuer, c.Issuer)
	case said.Destination != c.ACS && (signed || said.Destination != ""):
		return refused(Destination, "the Response is for the Destination %q, not for %q", said.Destination, c.ACS)
	case request == "" || said.InResponseTo != request:
		return refused(Request, "the Response answers the request %q, not ours: a sign-in begins at our page, and its response can be used once", said.InResponseTo)
	}
	return nil
}

func parse(form string) (*etree.Element, error) {
	if base64.StdEncoding.DecodedLen(len(form)) > 2*maxBytes {
		return nil, refused(TooLarge, "the document has more than %d kB", maxBytes>>10)
	}
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(form), ""))
	if err != nil {
		return nil, refused(Unreadable, "the response is not base64")
	}
	return read(text)
}

// check refuses a response in which the provider says that it signs nobody in.
func (said responseText) check() error {
	switch code := said.Status.Code; {
	case said.Version != "2.0":
		return refused(Structure, "the Response is of SAML version %q, not 2.0", said.Version)
	case code.Value != success:
		return refused(Status, "the provider has refused: %s %s %q", code.Value, code.Code.Value, said.Status.Message)
	}
	return nil
}

// signed returns the response, and the assertion as the provider has signed it: by its own
// signature, by the response's, or both. The response is signed only if it has a signature.
func (c Connection) signed(e envelope, now time.Time) (response, asserted *etree.Element, err error) {
	response, asserted = e.response, e.assertion
	switch {
	case asserted == nil:
		return nil, nil, refused(Incomplete, "the Response has no Assertion")
	case !e.signed && !e.asserted:
		return nil, nil, refused(Unsigned, "neither the Response nor the Assertion is signed")
	}
	if e.signed {
		if response, err = c.verify(response, now); err != nil {
			return nil, nil, err
		}
		asserted = response.SelectElement("Assertion")
	}
	if e.asserted {
		asserted, err = c.verify(asserted, now)
	}
	return response, asserted, err
}

// checks checks for whom, for when and by whom an assertion is, and returns its end.
func (c Connection) checks(a assertionText, request string, now time.Time) (time.Time, error) {
	switch {
	case a.Version != "2.0" || a.ID == "":
		return time.Time{}, refused(Structure, "the Assertion is of SAML version %q, or has no ID", a.Version)
	case strings.TrimSpace(a.Issuer) != c.Issuer:
		return time.Time{}, refused(Issuer, "the Assertion is of the issuer %q, not of %q", a.Issuer, c.Issuer)
	case len(a.Subject) != 1 || len(a.Conditions) != 1 || len(a.Statements) == 0:
		return time.Time{}, refused(Incomplete, "the Assertion needs a Subject, Conditions and an AuthnStatement")
	}
	for _, s := range a.Statements {
		if _, err := (period{NotOnOrAfter: s.SessionNotOnOrAfter}).check(now); err != nil {
			return time.Time{}, err
		}
	}
	conditions := a.Conditions[0]
	ends, err := conditions.check(now)
	if err != nil {
		return time.Time{}, err
	}
	if len(conditions.Audiences) == 0 {
		return time.Time{}, refused(Audience, "the Assertion has no Audience: it must be %q", c.EntityID)
	}
	for _, restriction := range conditions.Audiences {
		if !slices.ContainsFunc(restriction.Audience, func(s string) bool { return strings.TrimSpace(s) == c.EntityID }) {
			return time.Time{}, refused(Audience, "the Assertion is for the Audience %q, not for %q", strings.Join(restriction.Audience, " "), c.EntityID)
		}
	}
	until, err := c.confirmed(a.Subject[0].Confirmations, request, now)
	if err != nil || ends.IsZero() || until.Before(ends) {
		ends = until
	}
	return ends, err
}

// confirmed returns until when the bearer may bring the assertion here, and for this request.
func (c Connection) confirmed(all []confirmation, request string, now time.Time) (time.Time, error) {
	var why error = refused(Incomplete, "the Subject has no SubjectConfirmation of the method bearer")
	for _, one := range all {
		if one.Method != bearer {
			continue
		}
		ends, err := one.Data.check(now)
		switch {
		case one.Data.Recipient != c.ACS:
			why = refused(Recipient, "the Assertion is for the Recipient %q, not for %q", one.Data.Recipient, c.ACS)
		case one.Data.InResponseTo != request:
			why = refused(Request, "the Assertion answers the request %q, not ours", one.Data.InResponseTo)
		case err != nil:
			why = err
		case ends.IsZero():
			why = refused(Incomplete, "the SubjectConfirmationData has no NotOnOrAfter")
		default:
			return ends, nil
		}
	}
	return time.Time{}, why
}

// check returns the period's end, if it has one, and fails unless now is in the period.
func (p period) check(now time.Time) (ends time.Time, err error) {
	var begins time.Time
	for _, one := range []struct {
		text string
		at   *time.Time
	}{{p.NotBefore, &begins}, {p.NotOnOrAfter, &ends}} {
		if one.text == "" {
			continue
		}
		// SAML core §1.3.3: UTC. Without a zone, it is UTC too.
		if *one.at, err = time.Parse("2006-01-02T15:04:05Z07:00", strings.TrimSuffix(one.text, "Z")+"Z"); err != nil {
			return ends, refused(Unreadable, "the time %q is not in UTC", one.text)
		}
	}
	switch {
	case now.Add(Skew).Before(begins):
		return ends, refused(NotYet, "valid from %s, and here it is %s: are the clocks right?", p.NotBefore, now.Format(time.RFC3339))
	case !ends.IsZero() && !now.Add(-Skew).Before(ends):
		return ends, refused(Expired, "valid until %s, and here it is %s: are the clocks right?", p.NotOnOrAfter, now.Format(time.RFC3339))
	}
	return ends, nil
}
