package apikey

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ParseNetworks reads a list of addresses and CIDR prefixes, and returns it as
// it is stored: sorted, each once.
func ParseNetworks(list []string) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, text := range list {
		p, err := parseNetwork(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is neither an IP address nor a CIDR prefix such as 203.0.113.0/24", text)
		case p != p.Masked():
			return nil, fmt.Errorf("%q has bits set after its prefix: write %s", text, p.Masked())
		}
		out = append(out, strings.TrimSuffix(p.String(), fmt.Sprintf("/%d", p.Addr().BitLen())))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// parseNetwork reads an address or a prefix. An IPv4 address has one form only.
func parseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(text); err == nil {
			p, err = a.WithZone("").Prefix(a.BitLen())
			if a.Zone() != "" {
				err = fmt.Errorf("%s has a zone", text)
			}
		}
	}
	if err == nil && p.Addr().Is4In6() {
		err = fmt.Errorf("%s is an IPv4 address written as IPv6", text)
	}
	return p, err
}

// contains reports whether the address is in one of the networks. An invalid
// address is in none.
func contains(networks []string, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(text string) bool {
		p, err := parseNetwork(text)
		return err == nil && p.Contains(a.Unmap())
	})
}

// within reports whether each of the networks is inside one of outer. An empty
// list means all addresses.
func within(networks, outer []string) bool {
	if len(outer) == 0 {
		return true
	}
	return len(networks) > 0 && !slices.ContainsFunc(networks, func(text string) bool {
		return !slices.ContainsFunc(outer, func(around string) bool {
			p, err := parseNetwork(text)
			o, errOuter := parseNetwork(around)
			return err == nil && errOuter == nil && o.Bits() <= p.Bits() && o.Contains(p.Addr())
		})
	})
}
