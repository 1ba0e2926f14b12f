package egress_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"portico/shared/egress"
)

func policy(t *testing.T, cidrs string) egress.Policy {
	t.Helper()
	p, err := egress.ParsePolicy(cidrs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hostile lists addresses that a customer's URL must not reach, with the reason.
var hostile = []struct{ why, addr string }{
	{"this host", "0.0.0.0"},
	{"this network", "0.1.2.3"},
	{"private, class A", "10.0.0.0"},
	{"private, class A, last", "10.255.255.255"},
	{"private, class B", "172.16.0.1"},
	{"private, class B, last", "172.31.255.255"},
	{"private, class C", "192.168.0.1"},
	{"carrier NAT", "100.64.0.1"},
	{"carrier NAT, last", "100.127.255.255"},
	{"another cloud's metadata, in carrier NAT", "100.100.100.200"},
	{"loopback", "127.0.0.1"},
	{"loopback, last", "127.255.255.254"},
	{"link-local", "169.254.0.1"},
	{"instance metadata", "169.254.169.254"},
	{"container credentials", "169.254.170.2"},
	{"protocol assignments", "192.0.0.170"},
	{"documentation 1", "192.0.2.1"},
	{"documentation 2", "198.51.100.7"},
	{"documentation 3", "203.0.113.9"},
	{"AS112", "192.31.196.1"},
	{"AMT", "192.52.193.1"},
	{"6to4 relay", "192.88.99.1"},
	{"AS112, direct delegation", "192.175.48.1"},
	{"benchmarking", "198.18.0.1"},
	{"benchmarking, last", "198.19.255.255"},
	{"multicast", "224.0.0.1"},
	{"multicast, last", "239.255.255.255"},
	{"reserved", "240.0.0.1"},
	{"broadcast", "255.255.255.255"},
	{"unspecified", "::"},
	{"loopback", "::1"},
	{"IPv4-compatible loopback", "::127.0.0.1"},
	{"IPv4-compatible public", "::8.8.8.8"},
	{"IPv4-mapped loopback", "::ffff:127.0.0.1"},
	{"IPv4-mapped metadata", "::ffff:a9fe:a9fe"},
	{"IPv4-mapped private", "::ffff:10.1.2.3"},
	{"IPv4-translated loopback", "::ffff:0:127.0.0.1"},
	{"NAT64 of metadata", "64:ff9b::169.254.169.254"},
	{"NAT64 of a public address", "64:ff9b::8.8.8.8"},
	{"local NAT64", "64:ff9b:1::10.0.0.1"},
	{"local NAT64, last", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
	{"discard", "100::1"},
	{"dummy", "100:0:0:1::1"},
	{"Teredo", "2001::1"},
	{"Teredo with a client inside", "2001:0:4136:e378:8000:63bf:80ff:fffe"},
	{"benchmarking", "2001:2::1"},
	{"ORCHID", "2001:10::1"},
	{"ORCHIDv2", "2001:20::1"},
	{"protocol assignments, last", "2001:1ff:ffff::1"},
	{"documentation", "2001:db8::1"},
	{"documentation, new", "3fff::1"},
	{"6to4 of loopback", "2002:7f00:1::1"},
	{"6to4 of a public address", "2002:808:808::1"},
	{"AS112", "2620:4f:8000::1"},
	{"not given out", "4000::1"},
	{"segment routing", "5f00::1"},
	{"unique local", "fc00::1"},
	{"unique local", "fd12:3456:789a::1"},
	{"instance metadata", "fd00:ec2::254"},
	{"link-local", "fe80::1"},
	{"link-local with a zone", "fe80::1%eth0"},
	{"link-local, last", "febf::1"},
	{"site-local", "fec0::1"},
	{"site-local, last", "feff::1"},
	{"multicast", "ff02::1"},
	{"a public address with a zone", "2606:4700:4700::1111%eth0"},
	{"a mapped address with a zone", "::ffff:127.0.0.1%lo"},
}

// friendly lists public addresses, most of them next to a hostile block.
var friendly = []string{
	"1.1.1.1", "8.8.8.8", "1.0.0.0", "9.255.255.255", "11.0.0.0", "52.95.110.1", "100.63.255.255", "100.128.0.0",
	"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
	"192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
	"::ffff:8.8.8.8", "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2003::1", "2600:1f18::1",
	"2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe:ffff::1",
}

// Only public addresses may be dialled.
func TestCheck(t *testing.T) {
	var p egress.Policy
	for _, h := range hostile {
		if err := p.Check(netip.MustParseAddr(h.addr)); !errors.Is(err, egress.ErrForbidden) {
			t.Errorf("%s (%s) may be dialled: %v", h.addr, h.why, err)
		}
	}
	for _, f := range friendly {
		if err := p.Check(netip.MustParseAddr(f)); err != nil {
			t.Errorf("%s may not be dialled: %v", f, err)
		}
	}
	if err := p.Check(netip.Addr{}); !errors.Is(err, egress.ErrForbidden) {
		t.Errorf("no address at all may be dialled: %v", err)
	}
}

// An IPv4 address inside an IPv6 address is no way around: a mapped one is
// treated as the IPv4 address, any other form is refused.
func TestWrappedAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v4 [4]byte
		binary.BigEndian.PutUint32(v4[:], rapid.Uint32().Draw(t, "v4"))
		wrap := func(prefix string, at int) netip.Addr {
			b := netip.MustParseAddr(prefix).As16()
			copy(b[at:], v4[:])
			return netip.AddrFrom16(b)
		}
		var p egress.Policy
		plain, mapped := p.Check(netip.AddrFrom4(v4)), p.Check(wrap("::ffff:0:0", 12))
		if (plain == nil) != (mapped == nil) {
			t.Fatalf("plain: %v, mapped: %v", plain, mapped)
		}
		for _, addr := range []netip.Addr{
			wrap("::", 12), wrap("::ffff:0:0:0", 12), wrap("64:ff9b::", 12), wrap("64:ff9b:1::", 12),
			wrap("2002::", 2), wrap("2001::", 4),
		} {
			if p.Check(addr) == nil {
				t.Fatalf("%s may be dialled", addr)
			}
		}
	})
}

// The allow-list allows its prefixes, in plain and mapped form, and nothing else.
func TestAllowList(t *testing.T) {
	p := policy(t, "127.0.0.0/8, ::1/128,10.1.0.0/16")
	for addr, may := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "10.1.2.3": true, "::ffff:127.0.0.1": true, "8.8.8.8": true,
		"10.2.0.1": false, "10.0.255.255": false, "::2": false, "::127.0.0.1": false, "192.168.0.1": false,
		"169.254.169.254": false, "64:ff9b::127.0.0.1": false, "2606:4700:4700::1111%eth0": false,
	} {
		if err := p.Check(netip.MustParseAddr(addr)); (err == nil) != may {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := policy(t, "10.1.2.3/8").Check(netip.MustParseAddr("10.9.9.9")); err != nil {
		t.Errorf("a prefix with host bits does not mean its network: %v", err)
	}
}

// An invalid allow-list prevents the start; it is not ignored.
func TestParsePolicy(t *testing.T) {
	for _, bad := range []string{"127.0.0.1", "127.0.0.0/33", "localhost", "10.0.0.0/8;127.0.0.0/8", "fe80::%eth0/64"} {
		if _, err := egress.ParsePolicy(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, empty := range []string{"", " ", ",", " , "} {
		if policy(t, empty).Check(netip.MustParseAddr("127.0.0.1")) == nil {
			t.Errorf("%q allows loopback", empty)
		}
	}
}
