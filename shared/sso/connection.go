// Package sso has the connections by which the people of an organization sign in with its
// own identity provider, and the traces of logins that have failed. docs/identity.md
// describes the whole way.
package sso

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/audit"
	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/role"
	"portico/shared/saml"
)

// The types of connections.
const (
	SAML = "saml"
	OIDC = "oidc"
)

// The states of a connection.
const (
	Draft    = "draft"    // it can only be tested
	Active   = "active"   // people sign in by it
	Disabled = "disabled" // nobody does any more
)

// Connection is an identity provider of an organization.
type Connection struct {
	ID           id.SSOConnection
	Type         string
	Name         string
	Status       string
	Issuer       string   // of OpenID Connect, or the entity id of SAML; "": not known yet
	SSOURL       string   // saml: where requests are sent; "": not known yet
	Certificates []string // saml: PEM; no other key is trusted
	// CertificatesEndAt is when the last of the certificates ends; nil: there are none.
	CertificatesEndAt *time.Time
	// MetadataURL is where the SAML provider publishes what is above; "": it is not read.
	MetadataURL    string
	MetadataReadAt *time.Time // when it was last taken; nil: never
	MetadataError  string     // why the last try has changed nothing; "": it has not failed
	ClientID       string     // oidc: what the provider knows us by; "": not known yet
	// SealedClientSecret is sealed for this connection; see Secret. nil: there is none.
	SealedClientSecret []byte
	Domains            []string // of the addresses that the provider may assert
	DefaultRole        role.Ref // of people who become members by signing in
	Enforced           bool     // while it is active, nobody enters the organization by other means,
	// except BreakGlass: one owner; zero: nobody.
	BreakGlass id.Member
	Version    int64 // grows with each change
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Found is a connection with its organization.
type Found struct {
	Connection
	Org  id.Org
	Test bool // nobody is let in by it now: somebody tests it
}

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "sso_connection_not_found", "There is no connection with this id.").
			Means("Your organization has no single sign-on connection with this id.")
	ErrTooMany = fault.New(fault.Conflict, "too_many_sso_connections",
		fmt.Sprintf("The organization has %d connections. Delete those that nobody uses.", MaxConnections)).
		Means("The organization has reached the limit of single sign-on connections.")
	ErrIncomplete = fault.New(fault.Conflict, "sso_connection_incomplete", "The connection is not complete.").
			Means("The single sign-on connection lacks something without which nobody could sign in: the detail says what.")
	ErrDomain = fault.New(fault.Conflict, "sso_domain_unverified", "A domain of the connection is not verified.").
			Means("A domain of the single sign-on connection is not a verified domain of the organization.")
	ErrDomainInUse = fault.New(fault.Conflict, "sso_domain_in_use", "Another active connection has one of the domains.").
			Means("Another active single sign-on connection of the organization has one of the domains.")
	ErrBreakGlass = fault.New(fault.Conflict, "sso_break_glass_missing", "An enforced connection needs an owner who can enter without it.").
			Means("The single sign-on connection is enforced, and break_glass_member_id names no owner of the organization.")
)

// MaxConnections is how many an organization may have.
const MaxConnections = 20

// The paths below the address of the pages that an identity provider is told.
const (
	CallbackPath = "/sign-in/sso/callback" // the redirect URI of OpenID Connect
	SAMLPath     = "/saml/"                // before the connection's id
	// ArrivedPath is where a browser goes on after its provider's SAML response.
	ArrivedPath = "/sign-in/sso/arrived"
)

// EntityID is what we are called in SAML messages of a connection. public is where the
// pages are.
func EntityID(public string, of id.SSOConnection) string { return public + SAMLPath + of.String() }

// ACS is where a provider sends its SAML responses.
func ACS(public string, of id.SSOConnection) string { return EntityID(public, of) + "/acs" }

// missing says what a connection lacks to be used; "": nothing.
func (c Connection) missing(now time.Time) string {
	switch {
	case c.Issuer == "":
		return "issuer"
	case c.Type == SAML && c.SSOURL == "":
		return "sso_url"
	case c.Type == SAML && (c.CertificatesEndAt == nil || !now.Before(*c.CertificatesEndAt)):
		return "a certificate that has not ended"
	case c.Type == OIDC && c.ClientID == "":
		return "client_id"
	case c.Type == OIDC && c.SealedClientSecret == nil:
		return "client_secret"
	}
	return ""
}

// Testable returns ErrIncomplete if nobody could sign in by the connection.
func (c Connection) Testable(now time.Time) error {
	if what := c.missing(now); what != "" {
		return ErrIncomplete.Saying("The connection has no %s.", what)
	}
	return nil
}

// Certificate is what people see of one.
type Certificate struct {
	SHA256  string
	Subject string
	EndsAt  time.Time
}

// ShowCertificate returns what people see of a stored certificate.
func ShowCertificate(text string) (c Certificate, err error) {
	parsed, err := saml.ReadCertificate(text)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256(parsed.Raw)
	return Certificate{hex.EncodeToString(sum[:]), parsed.Subject.String(), parsed.NotAfter.UTC()}, nil
}

// Complete brings the settings into the form in which they are kept, or says what is wrong
// with them. base is the domain whose subdomains we give away.
func (c *Connection) Complete(base string) error {
	var faults []error
	wrong := func(field, what string) { faults = append(faults, fault.InvalidField(field, what)) }
	if c.Type == OIDC && c.Issuer != "" && !isIssuer(c.Issuer) {
		wrong("issuer", "must be an address that begins with https://, without query or fragment")
	}
	if c.SSOURL != "" && !saml.MayLead(c.SSOURL) {
		wrong("sso_url", "must be an address that begins with https://, without a fragment")
	}
	if c.MetadataURL != "" && !saml.MayLead(c.MetadataURL) {
		wrong("metadata_url", "must be an address that begins with https://, without a fragment")
	}
	for name, foreign := range map[string]bool{
		"sso_url": c.Type == OIDC && c.SSOURL != "", "metadata_url": c.Type == OIDC && c.MetadataURL != "", "certificates": c.Type == OIDC && len(c.Certificates) > 0,
		"client_id": c.Type == SAML && c.ClientID != "", "client_secret": c.Type == SAML && c.SealedClientSecret != nil,
	} {
		if foreign {
			wrong(name, "is not for connections of the type "+c.Type)
		}
	}
	c.CertificatesEndAt, c.Certificates = nil, slices.Clone(c.Certificates)
	for i, text := range c.Certificates {
		certificate, err := saml.ReadCertificate(text)
		var refused *saml.Error
		if errors.As(err, &refused) {
			wrong(fmt.Sprintf("certificates[%d]", i), "must be a certificate in PEM: "+refused.Text)
			continue
		}
		c.Certificates[i] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
		if end := certificate.NotAfter.UTC(); c.CertificatesEndAt == nil || end.After(*c.CertificatesEndAt) {
			c.CertificatesEndAt = &end
		}
	}
	return fault.Join(append(faults, c.completeDomains(base))...)
}

// completeDomains refuses subdomains of ours, which need no proof: nobody could rely on
// who reads the mails to them.
func (c *Connection) completeDomains(base string) error {
	var faults []error
	domains := []string{} // never nil
	for i, text := range c.Domains {
		name, err := hostname.ParseName(text, base)
		if err == nil && hostname.IsSubdomain(name, base) {
			err = errors.New("must be a domain of your own")
		}
		if err != nil {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("domains[%d]", i), err.Error()))
		}
		domains = append(domains, name)
	}
	slices.Sort(domains)
	c.Domains = slices.Compact(domains)
	return fault.Join(faults...)
}

// isIssuer admits this machine's providers as saml.MayLead does. Functions reach these only
// in the local stack.
func isIssuer(text string) bool { return saml.MayLead(text) && !strings.ContainsAny(text, " #?") }

// DomainOf returns the domain of an address, in the form in which domains are kept.
func DomainOf(email string) string {
	_, domain, _ := strings.Cut(strings.ToLower(email), "@")
	return domain
}

// Fields lists what audit entries show of a connection. secret says that its secret has
// changed, and no more.
func (c Connection) Fields(secret bool) audit.Fields {
	f := audit.Fields{
		"type": c.Type, "name": c.Name, "status": c.Status, "issuer": c.Issuer, "sso_url": c.SSOURL, "certificates": c.Certificates, "metadata_url": c.MetadataURL, "client_id": c.ClientID,
		"domains": c.Domains, "default_role": c.DefaultRole.String(), "enforced": c.Enforced, "break_glass_member_id": "",
	}
	if !c.BreakGlass.IsZero() {
		f["break_glass_member_id"] = c.BreakGlass.String()
	}
	if secret {
		f["client_secret"] = audit.Changed
	}
	return f
}
