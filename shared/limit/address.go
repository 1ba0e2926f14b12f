package limit

import "net/netip"

// AddressKey returns the key of an address's item. The addresses of a /64 are one:
// a single host may use all of them.
func AddressKey(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return "address_" + p.Addr().String() + "/64"
		}
	}
	return "address_" + a.String()
}
