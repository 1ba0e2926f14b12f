// Package hostname is about the host names that identify an organization:
// subdomains of ours, for the first organization that claims one, and names of
// its own, proven by DNS. Postgres has each organization's list; DynamoDB has the
// owner of each name.
package hostname

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
)

// Most is how many domains an organization may have, pending ones included.
const Most = 20

// Domain is a host name of an organization.
type Domain struct {
	ID         id.Domain
	Name       string
	Token      string
	VerifiedAt *time.Time // nil: pending
	CreatedAt  time.Time
}

var (
	// ErrNotFound is returned when the organization has no domain with this id.
	ErrNotFound = fault.New(fault.NotFound, "domain_not_found", "There is no domain with this id.").
			Means("Your organization has no domain with this id.")
	// ErrExists is returned when the organization already has a domain with this
	// name.
	ErrExists = fault.New(fault.Conflict, "domain_exists", "Your organization has this domain already: verify that one.").
			Means("Your organization has this domain already.")
	// ErrTaken is returned when another organization has this name.
	ErrTaken = fault.New(fault.Conflict, "domain_taken",
		"Another organization has this domain and must delete it first. If the domain is yours and you do not know that organization, write to support.").
		Means("Another organization has this domain.")
	// ErrUnproven is returned when DNS does not have the record that proves the
	// domain.
	ErrUnproven = fault.New(fault.Conflict, "domain_unproven", "DNS does not show the domain's TXT record.").
			Means("DNS does not show the domain's TXT record: the detail says what it shows.")
	// ErrDNSAway is returned when DNS did not answer.
	ErrDNSAway = fault.New(fault.Unavailable, "dns_unavailable", "DNS did not answer. Verify the domain again.").
			Means("DNS did not answer. Verify the domain again.")
	// ErrTooMany is returned when the organization already has Most domains.
	ErrTooMany = fault.New(fault.Conflict, "too_many_domains",
		fmt.Sprintf("The organization has %d domains. Delete those that nobody uses, then add this one.", Most)).
		Means("The organization has reached the limit of domains.")
)

// New returns a pending domain with a new token: a DNS record for an earlier
// domain, or for one of another organization, does not prove it.
func New(name string, now time.Time) Domain {
	return Domain{ID: id.New[id.Domain](now), Name: name, Token: rand.Text(), CreatedAt: now}
}

// Record returns name and value of the TXT record that proves the domain.
func (d Domain) Record() (name, value string) {
	return recordLabel + d.Name, "portico-verification=" + d.Token
}

const recordLabel = "_portico."

// IsSubdomain reports whether a name is one of ours, which needs no proof.
// Without a base there are none.
func IsSubdomain(name, base string) bool {
	label, rest, _ := strings.Cut(name, ".")
	return base != "" && label != "" && rest == base
}
