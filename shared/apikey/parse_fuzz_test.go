package apikey

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"testing"
)

var keyForm = regexp.MustCompile(`^ptc_[0-9A-Za-z]{36}$`)

// FuzzParse: what is accepted has the form of a key and its checksum, and no longer has
// it when one character changes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "ptc_", Generate(), Generate()[:39], Generate() + "0", "ptc_0000000000000000000000000000002UFVVV", "ptc_\xff" + Generate()[5:]} {
		f.Add(seed, byte('x'), 7)
	}
	f.Fuzz(func(t *testing.T, plain string, other byte, at int) {
		hash, err := Parse(plain)
		if (hash == Hash{}) == (err == nil) {
			t.Fatalf("%q: %x, %v", plain, hash, err)
		}
		if err != nil {
			plain = Generate()
		}
		if _, err = Parse(plain); err != nil || len(plain) != 40 || plain[:8] != Start(plain) {
			t.Fatalf("%q is refused: %v", plain, err)
		}
		if at < 0 || at >= len(plain) || plain[at] == other {
			return
		}
		changed := []byte(plain)
		changed[at] = other
		if _, err := Parse(string(changed)); err == nil {
			t.Errorf("%q and %q are both keys", plain, changed)
		}
		if !keyForm.MatchString(plain) {
			t.Logf("%q has characters that Generate does not make", plain)
		}
	})
}

// FuzzParseNetworks: what is stored is read back unchanged, and contains exactly the
// addresses that package net says it contains.
func FuzzParseNetworks(f *testing.F) {
	for _, seed := range []string{"203.0.113.0/24", "::1", "fe80::1%eth0", "::ffff:1.2.3.4/96", "0.0.0.0/0", "010.0.0.1", "1.2.3.4/33", "1.2.3.4/032", "::/0"} {
		f.Add(seed, "10.0.0.0/8", []byte{203, 0, 113, 7})
	}
	f.Fuzz(func(t *testing.T, one, two string, address []byte) {
		stored, err := ParseNetworks([]string{one, two, one})
		if err != nil {
			return
		}
		again, err := ParseNetworks(stored)
		if err != nil || !slices.Equal(again, stored) || len(stored) > 2 || !slices.IsSorted(stored) {
			t.Fatalf("%q and %q become %q, and these %q, %v", one, two, stored, again, err)
		}
		a, ok := netip.AddrFromSlice(address)
		if !ok || a.Is4In6() {
			return
		}
		want := slices.ContainsFunc(stored, func(text string) bool {
			if _, network, err := net.ParseCIDR(text); err == nil {
				return network.Contains(net.IP(address)) && (len(network.Mask) == net.IPv4len) == a.Is4()
			}
			return net.ParseIP(text).Equal(net.IP(address))
		})
		if got := contains(stored, a); got != want {
			t.Errorf("%q contains %s: %v, package net says %v", stored, a, got, want)
		}
	})
}
