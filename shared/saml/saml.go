// Package saml signs people in with the identity provider of an organization by SAML 2.0,
// begun by us (SP-initiated): a request goes with the browser's redirect, a response comes
// with a form that the browser posts. It says whom a response names, or at which step the
// response was refused and why; it stores nothing. What follows from that is decided in
// shared/sso.
//
// crewjam/saml writes requests and reads metadata, russellhaering/goxmldsig verifies
// signatures. Responses are checked here, because crewjam/saml reads the text as it came
// and not as it was signed, takes the first of several assertions, accepts SHA-1 and
// responses without an audience, and panics if an assertion has no conditions.
//
// What must be checked: SAML core §5.4, the profiles' §4.1.4, and "On Breaking SAML: Be
// Whoever You Want to Be" (Somorovsky and others), which names the wrapping attacks.
package saml

import (
	"crypto/x509"
	"fmt"
	"time"
)

// IdentityProvider is what an organization's provider publishes of itself.
type IdentityProvider struct {
	Issuer string // its entity id
	URL    string // where browsers bring requests
	// Certificates are those whose keys may sign. Several are valid at once while the
	// provider changes from one to the next.
	Certificates []*x509.Certificate
}

// ServiceProvider is what we are to the provider of one connection. Both differ for each
// connection, so a response for one is worth nothing to another.
type ServiceProvider struct {
	EntityID string // the audience of its assertions
	ACS      string // where browsers bring responses: the assertion consumer service
}

// Connection is who speaks with whom.
type Connection struct {
	ServiceProvider
	IdentityProvider
}

// Person is whom a verified response names.
type Person struct {
	Subject string // who the person is for the provider: its NameID
	Format  string // of the NameID, as a URN
	Email   string // in lower case
	Name    string // "": the provider tells none
	// Assertion identifies the assertion at its issuer, until Ends. It must not be used
	// twice in this time.
	Assertion string
	Ends      time.Time
}

// Code says why a response or metadata was refused.
type Code string

// What can be wrong, in the order in which it is checked.
const (
	TooLarge    Code = "too_large"
	Unreadable  Code = "unreadable"
	DTD         Code = "dtd"
	Structure   Code = "structure"
	Encrypted   Code = "encrypted"
	Status      Code = "status"
	Unsigned    Code = "unsigned"
	Algorithm   Code = "algorithm"
	UnknownKey  Code = "unknown_certificate"
	ExpiredKey  Code = "expired_certificate"
	Signature   Code = "signature"
	Issuer      Code = "issuer"
	Destination Code = "destination"
	Recipient   Code = "recipient"
	Request     Code = "request"
	Audience    Code = "audience"
	NotYet      Code = "not_yet"
	Expired     Code = "expired"
	Incomplete  Code = "incomplete"
	Subject     Code = "subject"
	Address     Code = "address"
	WrongKind   Code = "wrong_kind" // metadata of something else
	NoEndpoint  Code = "no_endpoint"
	Certificate Code = "certificate"
)

var steps = map[Code]string{
	TooLarge: "read", Unreadable: "read", DTD: "read", Structure: "read", Encrypted: "read",
	Status:   "status",
	Unsigned: "signature", Algorithm: "signature", UnknownKey: "signature", ExpiredKey: "signature", Signature: "signature",
	Issuer: "assertion", Destination: "assertion", Recipient: "assertion", Request: "assertion", Audience: "assertion", NotYet: "assertion", Expired: "assertion", Incomplete: "assertion",
	Subject: "person", Address: "person",
	WrongKind: "metadata", NoEndpoint: "metadata", Certificate: "metadata",
}

// Error is why a response or metadata was refused, for who sets up the connection.
type Error struct {
	Code Code
	Text string // may quote, shortened, what the provider has sent
}

// Step is where the response was refused: read, status, signature, assertion or person;
// or metadata.
func (e *Error) Step() string { return steps[e.Code] }

func (e *Error) Error() string { return fmt.Sprintf("saml: %s: %s: %s", e.Step(), e.Code, e.Text) }

func refused(code Code, text string, args ...any) *Error {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = short(s)
		}
	}
	return &Error{code, fmt.Sprintf(text, args...)}
}

// short cuts what a provider has sent.
func short(s string) string {
	const enough = 200
	if len(s) <= enough {
		return s
	}
	return s[:enough] + "…"
}
