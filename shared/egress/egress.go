// Package egress decides which addresses Portico's requests to customers' URLs
// may reach. The address that is checked is the address that is dialled, on
// every connection, so a name that changes its answer gains nothing.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden is wrapped by the error of every refused dial.
var ErrForbidden = errors.New("address is not public")

// Policy forbids every address that is not public, except the prefixes that it
// allows. The zero Policy allows no exceptions.
type Policy struct{ allow []netip.Prefix }

// ParsePolicy reads comma-separated CIDRs that are allowed although they are
// not public; the local stack allows loopback, AWS stages nothing.
func ParsePolicy(cidrs string) (Policy, error) {
	var p Policy
	for _, s := range strings.FieldsFunc(cidrs, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("EGRESS_ALLOW: %q is not a CIDR such as 127.0.0.0/8", s)
		}
		p.allow = append(p.allow, prefix.Masked())
	}
	return p, nil
}

// forbidden lists what is not public: the special-purpose registries of IANA
// (RFC 6890 and its updates), all of IPv6 that is not global unicast, and every
// form that wraps an IPv4 address in an IPv6 one, because a gateway may unwrap it.
var forbidden = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/3",                       // below 2000::/3: loopback, IPv4-compatible, IPv4-translated, NAT64, discard
	"4000::/2",                   // above it: segment routing and what is not given out
	"8000::/1",                   // unique local, link-local, site-local, multicast
	"2001::/23",                  // Teredo, ORCHID, benchmarking and the rest of the protocol block
	"2001:db8::/32", "3fff::/20", // documentation
	"2002::/16", // 6to4
	"2620:4f:8000::/48",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Check returns an error that wraps ErrForbidden unless addr may be dialled.
func (p Policy) Check(addr netip.Addr) error {
	if !addr.IsValid() {
		return fmt.Errorf("%w: not an address", ErrForbidden)
	}
	if addr.Zone() != "" {
		return fmt.Errorf("%w: %s has a zone", ErrForbidden, addr)
	}
	plain := addr.Unmap()
	for _, prefix := range p.allow {
		if prefix.Contains(plain) {
			return nil
		}
	}
	for _, prefix := range forbidden {
		if prefix.Contains(plain) {
			return fmt.Errorf("%w: %s is in %s", ErrForbidden, plain, prefix)
		}
	}
	return nil
}

// dialAtMost ends a connect or handshake that no request waits for any more. It
// is not shorter than any request's deadline, which normally ends them.
const dialAtMost = 30 * time.Second

// Transport returns an HTTP transport for customers' URLs. It dials only what
// the policy allows, ignores proxies from the environment (a proxy would
// resolve and dial unchecked), asks for no compression (so a bomb stays
// small) and keeps connections for the next delivery.
func (p Policy) Transport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialAtMost, KeepAlive: 30 * time.Second, ControlContext: p.control}
	return &http.Transport{
		DialContext:           bounded(dialer.DialContext),
		Proxy:                 nil,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   dialAtMost,
		ExpectContinueTimeout: time.Second,
		// A response's header fields, as bounded as its body.
		MaxResponseHeaderBytes: 64 << 10,
		// An HTTP/2 connection is used for many requests. One that answers no
		// ping is closed; otherwise each later delivery on it would time out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// control runs after name resolution, with the address to which the connection is
// made.
func (p Policy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrForbidden, address)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrForbidden, address)
	}
	return p.Check(addr)
}
