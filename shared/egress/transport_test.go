package egress_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"portico/shared/egress"
)

// counted is a server on loopback that counts its connections.
func counted(t *testing.T, handler http.HandlerFunc) (server *httptest.Server, connections *atomic.Int64) {
	t.Helper()
	connections = &atomic.Int64{}
	server = httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server, connections
}

func get(t *testing.T, p egress.Policy, url string) (*http.Response, error) {
	t.Helper()
	transport := p.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		t.Cleanup(func() { response.Body.Close() })
	}
	return response, err
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// The address of a name is checked before each connection: a name that resolves
// to loopback reaches nothing, whatever it resolved to before.
func TestDialIsChecked(t *testing.T) {
	server, connections := counted(t, ok)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "2130706433"} {
		_, err := get(t, egress.Policy{}, "http://"+host+":"+port+"/")
		// If the resolver does not know the name, nothing is dialled either.
		var unknown *net.DNSError
		if !errors.Is(err, egress.ErrForbidden) && !errors.As(err, &unknown) {
			t.Errorf("%s: %v, want ErrForbidden", host, err)
		}
	}
	if _, err := get(t, egress.Policy{}, "http://localhost:"+port+"/"); !errors.Is(err, egress.ErrForbidden) {
		t.Errorf("localhost: %v, want ErrForbidden", err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	if _, err := get(t, policy(t, "127.0.0.0/8"), server.URL); err != nil || connections.Load() != 1 {
		t.Errorf("an address on the allow-list was not reached: %v", err)
	}
}

// A proxy from the environment is not used, because it would dial unchecked
// addresses.
func TestNoProxy(t *testing.T) {
	proxy, connections := counted(t, ok)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	p := policy(t, "127.0.0.0/8") // the proxy itself could be dialled
	if _, err := get(t, p, "http://192.0.2.1/"); !errors.Is(err, egress.ErrForbidden) {
		t.Errorf("answered %v, want ErrForbidden", err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("the proxy saw %d connections", n)
	}
	if p.Transport().Proxy != nil { // net/http reads the environment only once per process
		t.Error("the transport asks for a proxy")
	}
}

// A receiver cannot fill our memory: responses are not unpacked, and header
// fields are limited.
func TestBounds(t *testing.T) {
	server, _ := counted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/huge" {
			w.Header().Set("X-Huge", strings.Repeat("x", 128<<10))
		}
		_, _ = io.WriteString(w, "accepted: "+r.Header.Get("Accept-Encoding"))
	})
	p := policy(t, "127.0.0.0/8")
	response, err := get(t, p, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "accepted: " {
		t.Errorf("asked for compression: %q, %v", body, err)
	}
	if _, err := get(t, p, server.URL+"/huge"); err == nil {
		t.Error("128 KiB of header were accepted")
	}
}
