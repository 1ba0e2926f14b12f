package egress_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"portico/shared/egress"
)

// nameServer answers every question about a name with its current addresses, in
// their order.
type nameServer struct {
	mu      sync.Mutex
	answers []netip.Addr
}

func (s *nameServer) set(addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = nil
	for _, a := range addresses {
		s.answers = append(s.answers, netip.MustParseAddr(a))
	}
}

// newNameServer starts a name server on loopback, and makes it the resolver of
// this process during the test. So the test must not run in parallel with others.
func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	s := &nameServer{}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := s.reply(buf[:n]); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return s
}

func (s *nameServer) reply(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers {
		var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: a.As16()}
		if a.Is4() {
			body = &dnsmessage.AResource{A: a.As4()}
		}
		if (q.Type == dnsmessage.TypeA) == a.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body})
		}
	}
	return m.Pack()
}

// A name that changes its answer, or has several addresses, leads only to
// addresses that may be dialled, on every connection. Here 127.0.0.1 is allowed.
// All other addresses of this machine are not, although the same server listens
// there.
func TestNamesThatChange(t *testing.T) {
	names := newNameServer(t)
	var mu sync.Mutex
	reached := map[string]int{} // connections by the address dialled
	server := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	listener, err := net.Listen("tcp", ":0") // every address, both families
	if err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		mu.Lock()
		defer mu.Unlock()
		reached[c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().String()]++
		return ctx
	}
	server.Start()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := policy(t, "127.0.0.1/32").Transport() // one for all steps, as a sender has
	t.Cleanup(transport.CloseIdleConnections)
	opened := 0
	for _, step := range []struct {
		name    string
		answers []string
		opens   bool
	}{
		{"an address that is open", []string{"127.0.0.1"}, true},
		{"then one that is not", []string{"127.0.0.2"}, false},
		{"then one of the other family", []string{"::1"}, false},
		{"then one in disguise", []string{"::ffff:127.0.0.2"}, false},
		{"then instance metadata", []string{"169.254.169.254"}, false},
		{"several, all forbidden", []string{"127.0.0.2", "127.0.0.3", "::1"}, false},
		{"a forbidden one first", []string{"127.0.0.2", "127.0.0.1"}, true},
		{"a forbidden one last", []string{"127.0.0.1", "127.0.0.2"}, true},
		{"a forbidden one of the preferred family", []string{"::1", "127.0.0.1"}, true},
		{"the open one again", []string{"127.0.0.1"}, true},
	} {
		names.set(step.answers...)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://rebinding.test:"+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true // so that the next step dials
		response, err := transport.RoundTrip(request)
		if err == nil {
			response.Body.Close()
		}
		if step.opens != (err == nil) || !step.opens && !errors.Is(err, egress.ErrForbidden) {
			t.Errorf("%s: %v", step.name, err)
		}
		if step.opens {
			opened++
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reached) != 1 || reached["127.0.0.1"] != opened {
		t.Errorf("connections by address: %v, want %d to 127.0.0.1 only", reached, opened)
	}
}
