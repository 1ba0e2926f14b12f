package testkit

import (
	"context"
	"net"
	"testing"

	"portico/infra/local/nameserver"
)

// NameServer is a DNS server with a resolver.
type NameServer struct{ *nameserver.Server }

// NewNameServer starts a server that stops when the test ends.
func NewNameServer(t testing.TB) *NameServer {
	t.Helper()
	s, err := nameserver.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &NameServer{s}
}

// Resolver returns a resolver that asks only this server.
func (s *NameServer) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.Address())
	}}
}
