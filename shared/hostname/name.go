package hostname

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxName is the longest name, in characters: DNS allows 253, and the record
// has to fit before it.
const maxName = 253 - len(recordLabel)

// reserved are subdomains that people could mistake for our own, or that programs
// use automatically.
var reserved = strings.Fields(`
	abuse account accounts admin api app assets auth autoconfig autodiscover billing blog cdn console dashboard dev docs
	email ftp help hostmaster id imap isatap localhost login mail mx ns ns1 ns2 oauth pop portico postmaster prod root
	security signin smtp sso staging static status support test webhooks webmail wpad www`)

// toDNS reads a name as browsers do: lower case and punycode.
var toDNS = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// ParseName returns a name in its DNS form, or what is wrong with it as the end
// of a sentence. Base is the domain whose subdomains we give away; "": none.
func ParseName(text, base string) (string, error) {
	if strings.ContainsAny(text, ":/@* ") || strings.HasSuffix(text, ".") {
		return "", errors.New("must be only a host name, such as portal.example.com, without scheme, port, path, wildcard or dot at the end")
	}
	name, err := toDNS.ToASCII(text)
	if again, failed := toDNS.ToASCII(name); err != nil || failed != nil || again != name || !isName(name) { // U+FFFD only fails when it is read back
		return "", errors.New("must be a host name such as portal.example.com: two labels or more, each of at most 63 letters, digits and hyphens")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", errors.New("is an IP address: send a host name such as portal.example.com")
	}
	if base != "" && within(name, base) {
		return name, checkSubdomain(name, base)
	}
	return name, checkOwn(name)
}

func checkSubdomain(name, base string) error {
	label, _, _ := strings.Cut(name, ".")
	switch {
	case !IsSubdomain(name, base):
		return fmt.Errorf("must have exactly one label before .%s", base)
	case strings.HasPrefix(label, "xn--"):
		return fmt.Errorf("must have only a-z, 0-9 and hyphens before .%s", base)
	case slices.Contains(reserved, label):
		return fmt.Errorf("is reserved: choose another label before .%s", base)
	}
	return nil
}

// checkOwn refuses names that cannot be proven, and names that many people share.
func checkOwn(name string) error {
	suffix, listed := publicsuffix.PublicSuffix(name)
	switch {
	case len(name) > maxName:
		return fmt.Errorf("must have at most %d characters, so that %s fits before it", maxName, recordLabel)
	case isAmazons(name):
		return errors.New("belongs to AWS: send a domain of your own")
	case !listed && !strings.Contains(suffix, "."):
		return fmt.Errorf("must end in a top-level domain of the public DNS; .%s is not one", suffix)
	case suffix == name:
		return errors.New("is a public suffix, under which anyone can have a domain: send your own, such as portal.example.com")
	}
	return nil
}

// isAmazons reports whether a name is of the kind that API Gateway itself has.
func isAmazons(name string) bool {
	return within(name, "amazonaws.com") || within(name, "amazonaws.com.cn")
}

// within reports whether name is tree or lies below it.
func within(name, tree string) bool { return strings.HasSuffix("."+name, "."+tree) }

// isName reports whether a text can be a name with a dot in it, as DNS has it.
func isName(text string) bool {
	return len(text) <= 253 && strings.Contains(text, ".") &&
		!strings.ContainsFunc(text, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
		})
}
