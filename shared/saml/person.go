package saml

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	transient    = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	unspecified  = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	emailAddress = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
)

// attribute is what a provider tells of a person.
type attribute struct {
	Name   string   `xml:",attr"`
	Values []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
}

// Names of attributes, in lower case: those that administrators choose, those of Entra and
// AD FS, and those of LDAP.
var (
	addresses = []string{"email", "mail", "emailaddress", "user.email", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "urn:oid:0.9.2342.19200300.100.1.3"}
	fullNames = []string{"displayname", "name", "http://schemas.microsoft.com/identity/claims/displayname", "urn:oid:2.16.840.1.113730.3.1.241", "urn:oid:2.5.4.3"}
	firsts    = []string{"firstname", "givenname", "user.firstname", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "urn:oid:2.5.4.42"}
	lasts     = []string{"lastname", "surname", "sn", "user.lastname", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "urn:oid:2.5.4.4"}
)

// maxText is the length, in bytes, of what we keep of a person.
const maxText = 255

// person returns whom an assertion names.
func (a assertionText) person(ends time.Time) (Person, error) {
	if len(a.Subject[0].NameID) != 1 {
		return Person{}, refused(Subject, "the Subject has not exactly one NameID")
	}
	id := a.Subject[0].NameID[0]
	p := Person{Subject: strings.TrimSpace(id.Value), Format: id.Format, Assertion: a.ID, Ends: ends}
	switch {
	case p.Subject == "" || len(p.Subject) > maxText || strings.ContainsFunc(p.Subject, unicode.IsControl):
		return Person{}, refused(Subject, "the NameID is empty, has more than %d bytes or control characters", maxText)
	case p.Format == transient:
		return Person{}, refused(Subject, "the NameID is transient, so it names somebody else next time: set its format to persistent or emailAddress")
	case p.Format == "":
		p.Format = unspecified
	}
	found := a.values(addresses)
	for i, address := range found {
		found[i] = strings.ToLower(address)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) == 0 && (p.Format == emailAddress || p.Format == unspecified) {
		found = []string{strings.ToLower(p.Subject)}
	}
	if len(found) != 1 || !isAddress(found[0]) {
		return Person{}, refused(Address, "the assertion has not exactly one e-mail address: its attributes are %q; send one with the name \"email\"", a.told())
	}
	p.Email, p.Name = found[0], a.name()
	return p, nil
}

// values returns the values of the attributes with one of the names.
func (a assertionText) values(named []string) []string {
	var found []string
	for _, one := range a.Attributes {
		if !slices.Contains(named, strings.ToLower(one.Name)) {
			continue
		}
		for _, value := range one.Values {
			if value = strings.TrimSpace(value); value != "" {
				found = append(found, value)
			}
		}
	}
	return found
}

// name returns the person's name, or "".
func (a assertionText) name() string {
	whole := a.values(fullNames)
	if len(whole) == 0 {
		first, last := append(a.values(firsts), ""), append(a.values(lasts), "")
		whole = []string{strings.TrimSpace(first[0] + " " + last[0])}
	}
	if len(whole[0]) > maxText || strings.ContainsFunc(whole[0], unicode.IsControl) {
		return ""
	}
	return whole[0]
}

// told returns the names of the attributes, without their values.
func (a assertionText) told() string {
	told := make([]string, len(a.Attributes))
	for i, one := range a.Attributes {
		told[i] = one.Name
	}
	return strings.Join(told, " ")
}

// isAddress reports whether a text can be an address. Whether it is one of the
// organization's is decided later.
func isAddress(s string) bool {
	user, domain, _ := strings.Cut(s, "@")
	return user != "" && domain != "" && len(s) <= 254 && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}
