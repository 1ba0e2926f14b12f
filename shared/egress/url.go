package egress

import (
	"cmp"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURL is about the length that all browsers and proxies accept.
const maxURL = 2048

// CheckURL returns a sentence for the customer unless raw can be an endpoint's
// URL: absolute, https, with a host and nothing that makes two parsers disagree
// about it. Names are not resolved here: what they answer counts when dialling.
func (p Policy) CheckURL(raw string) error {
	if len(raw) > maxURL {
		return errors.New("must have at most 2048 characters")
	}
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsAny(raw, " \t\r\n\\") {
		return errors.New("is not a URL: send an absolute one such as https://example.com/webhooks")
	}
	if u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("must be absolute, such as https://example.com/webhooks")
	}
	if u.User != nil {
		return errors.New("must not contain a user name or password")
	}
	if u.Fragment != "" || strings.Contains(raw, "#") {
		return errors.New("must not have a fragment (#…)")
	}
	if port, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16); err != nil || port == 0 || strings.HasSuffix(u.Host, ":") {
		return errors.New("has a port that cannot be used: send one from 1 to 65535")
	}
	addr, literal, err := p.checkHost(u.Hostname())
	if err != nil {
		return err
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (literal && p.allows(addr) || u.Hostname() == "localhost" && len(p.allow) > 0):
		return nil // local stack only: nothing leaves the machine
	}
	return errors.New("must start with https://")
}

// checkHost refuses literals that may not be dialled and hosts that are numbers
// in another notation (0x7f.1, 0177.1, 2130706433), which some resolvers read as
// addresses.
func (p Policy) checkHost(host string) (addr netip.Addr, literal bool, err error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return addr, true, errors.New("must not have a zone (%…) in its address: a zone is valid on one machine only")
		}
		if p.Check(addr) != nil {
			return addr, true, errors.New("must not point to a private or reserved address")
		}
		return addr, true, nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	labels := strings.Split(name, ".")
	if slices.Contains(labels, "") || isNumber(labels[len(labels)-1]) || strings.Trim(name, nameChars) != "" {
		return addr, false, errors.New("has a host that is neither a plain IP address nor a name (send international names in their xn-- form)")
	}
	local := name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".internal") || strings.HasSuffix(name, ".local")
	if local && len(p.allow) == 0 {
		return addr, false, errors.New("must not point to a private or reserved address")
	}
	return addr, false, nil
}

// nameChars are the characters of host names, and the underscore, which some
// names have. Other characters must be mapped to ASCII, and programs do that in
// different ways.
const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_."

// isNumber reports whether a host's last label makes the whole an IPv4 address
// in the URL standard (WHATWG, «ends in a number»).
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func (p Policy) allows(addr netip.Addr) bool {
	for _, prefix := range p.allow {
		if prefix.Contains(addr.WithZone("").Unmap()) {
			return true
		}
	}
	return false
}

// Origin returns scheme, host and port of a URL that CheckURL accepts. What is secret
// at one origin must not be sent to another one.
func Origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "" // CheckURL refuses it
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
