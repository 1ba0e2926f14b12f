package testkit

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Received is a request that reached a receiver.
type Received struct {
	Header http.Header
	Body   []byte
}

// Receiver is a customer's server, on loopback. It keeps all requests.
type Receiver struct {
	URL    string
	answer func(n int, w http.ResponseWriter, r *http.Request)

	mu          sync.Mutex
	got         []Received
	connections int
}

// NewReceiver starts a receiver that ends with the test. answer gets the number of
// the request, from 1, and may read its body; nil answers 200.
func NewReceiver(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *Receiver {
	t.Helper()
	rec, server := newReceiver(t, answer)
	server.Start()
	rec.URL = server.URL
	return rec
}

// NewTLSReceiver starts a receiver that speaks TLS, and HTTP/2 to those who do.
func NewTLSReceiver(t testing.TB, config *tls.Config, answer func(n int, w http.ResponseWriter, r *http.Request)) *Receiver {
	t.Helper()
	rec, server := newReceiver(t, answer)
	server.TLS, server.EnableHTTP2 = config, true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are expected
	server.StartTLS()
	rec.URL = server.URL
	return rec
}

func newReceiver(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) (*Receiver, *httptest.Server) {
	rec := &Receiver{answer: answer}
	server := httptest.NewUnstartedServer(rec)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			rec.mu.Lock()
			rec.connections++
			rec.mu.Unlock()
		}
	}
	t.Cleanup(func() {
		server.CloseClientConnections() // ends requests that answer never does
		server.Close()
	})
	return rec, server
}

func (rec *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec.mu.Lock()
	rec.got = append(rec.got, Received{Header: r.Header.Clone(), Body: body})
	n := len(rec.got)
	rec.mu.Unlock()
	if rec.answer != nil {
		rec.answer(n, w, r)
	}
}

// All returns the requests so far, in the order in which they arrived.
func (rec *Receiver) All() []Received {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.got)
}

// Connections returns how many connections were opened.
func (rec *Receiver) Connections() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.connections
}
