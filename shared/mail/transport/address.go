package transport

import (
	"errors"
	"mime"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

var (
	errAddress = errors.New("must be a mail address such as ada@example.com, without a name, quotes or comments")
	errLocal   = errors.New("has characters other than ASCII before the @, which not all mail servers accept: use another address")
	errDomain  = errors.New("has no domain that mail can be sent to after the @")
)

// localCharacters are those that RFC 5321 allows before the @ without quotes,
// besides letters and digits.
const localCharacters = "!#$%&'*+-/=?^_`{|}~."

// CheckAddress reports why no mail can be sent to an address, or nil.
func CheckAddress(address string) error {
	_, err := EncodeAddress(address)
	return err
}

// EncodeAddress returns a mail address as it is sent: its domain in ASCII (punycode). It is
// stricter than the standard: what needs quotes is refused, because programs differ
// in how they read it.
func EncodeAddress(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > 254 || at > 64 {
		return "", errAddress
	}
	local, domain := address[:at], address[at+1:]
	for _, r := range local {
		switch {
		case r > 0x7f:
			return "", errLocal
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(localCharacters, r):
		default:
			return "", errAddress
		}
	}
	if local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return "", errAddress
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(ascii, ".") || !isHost(ascii) || len(local)+1+len(ascii) > 254 {
		return "", errDomain
	}
	return local + "@" + ascii, nil
}

// isHost reports whether a domain in ASCII has only labels of letters, digits and
// hyphens, and is not a number such as an IP address.
func isHost(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		}) {
			return false
		}
	}
	return strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r > '9' })
}

// encoded returns the address as it stands in a header. Other names than ASCII are
// in base64, because net/mail leaves a backslash in the form that it would use.
func (a Address) encoded() string {
	name := mime.BEncoding.Encode("utf-8", a.Name)
	if name == a.Name {
		return (&mail.Address{Name: a.Name, Address: a.Address}).String()
	}
	return name + " <" + a.Address + ">"
}

// quoted returns the address for a service that encodes names itself: the name, if
// there is one, is in quotes, so that no character of it has a meaning.
func (a Address) quoted() string {
	if a.Name == "" {
		return a.Address
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.Name) + `" <` + a.Address + ">"
}
