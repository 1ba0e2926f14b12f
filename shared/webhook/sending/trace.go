package sending

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/netip"
	"sync"
	"time"
)

// trace notes how a request goes. net/http calls it from several goroutines, and for
// a connection that it still opens also after the request has ended.
type trace struct {
	reach *reach
	hooks httptrace.ClientTrace // what net/http calls

	mu        sync.Mutex
	ended     bool
	connected bool // the request had a connection
	handshake bool // its TLS handshake failed
	reused    bool
	address   netip.Addr
	// closed is the likely reason if the server closed the connection: "" unless it
	// asked for a client certificate.
	closed string

	dns, connect, tls, firstByte phase
}

// phase is a part of a request.
type phase struct {
	began time.Time
	open  int // how often it has begun and not ended
	took  time.Duration
}

func (p *phase) begin() { *p = phase{began: time.Now(), open: 1} }

// join begins the phase once more. It lasts from the first begin to the last end.
func (p *phase) join() {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	p.open++
}

func (p *phase) end() {
	if p.open > 0 {
		p.open, p.took = p.open-1, time.Since(p.began)
	}
}

// stop ends a phase that has not ended.
func (p *phase) stop() {
	if p.open > 0 {
		p.took = time.Since(p.began)
	}
}

// traceKey is the key of a request's trace in its context.
type traceKey struct{}

// watch returns a context for a request, and its trace. There is one for each try, so
// it makes as little garbage as it can.
func (r *reach) watch(ctx context.Context) (context.Context, *trace) {
	t := &trace{reach: r}
	t.hooks = httptrace.ClientTrace{
		DNSStart: t.dnsStart, DNSDone: t.dnsDone, ConnectStart: t.connectStart, ConnectDone: t.connectDone,
		TLSHandshakeStart: t.tlsStart, TLSHandshakeDone: t.tlsDone, GotConn: t.gotConn, GotFirstResponseByte: t.gotFirstByte,
	}
	return httptrace.WithClientTrace(context.WithValue(ctx, traceKey{}, t), &t.hooks), t
}

// note locks the trace and reports whether it still takes notes; if so, the caller
// unlocks it.
func (t *trace) note() bool {
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
	}
	return !t.ended
}

func (t *trace) dnsStart(httptrace.DNSStartInfo) {
	if t.note() {
		defer t.mu.Unlock()
		t.dns.begin()
	}
}

func (t *trace) dnsDone(httptrace.DNSDoneInfo) {
	if t.note() {
		defer t.mu.Unlock()
		t.dns.end()
	}
}

// connectStart notes an address that is dialled. A host with several may have several
// dials at a time, which are one phase.
func (t *trace) connectStart(_, address string) {
	if t.note() {
		defer t.mu.Unlock()
		t.connect.join()
		t.address = addressOf(address)
	}
}

// connectDone also tells reach of a new connection: only such a one proves that our
// network works, a kept one does not.
func (t *trace) connectDone(_, address string, err error) {
	if err == nil {
		t.reach.reached()
	}
	if t.note() {
		defer t.mu.Unlock()
		if t.connect.end(); err == nil {
			t.connected, t.address = true, addressOf(address)
		}
	}
}

func (t *trace) tlsStart() {
	if t.note() {
		defer t.mu.Unlock()
		t.tls.begin()
	}
}

func (t *trace) tlsDone(_ tls.ConnectionState, err error) {
	if t.note() {
		defer t.mu.Unlock()
		t.tls.end()
		t.handshake = err != nil
	}
}

func (t *trace) gotConn(info httptrace.GotConnInfo) {
	if t.note() {
		defer t.mu.Unlock()
		t.connected, t.reused = true, info.Reused
		if info.Conn != nil {
			if at, ok := info.Conn.RemoteAddr().(*net.TCPAddr); ok {
				t.address = at.AddrPort().Addr().Unmap().WithZone("")
			}
		}
		t.firstByte.begin()
	}
}

func (t *trace) gotFirstByte() {
	if t.note() {
		defer t.mu.Unlock()
		t.firstByte.end()
	}
}

// asked notes that the server asked for a client certificate.
func (t *trace) asked(closed string) {
	if t.note() {
		defer t.mu.Unlock()
		t.closed = closed
	}
}

// addressOf returns the IP address of "address:port", or the zero address.
func addressOf(hostPort string) netip.Addr {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

// end ends the trace. A phase that has not ended lasts until now, so the phase in which
// a request hung is the long one.
func (t *trace) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for _, p := range []*phase{&t.dns, &t.connect, &t.tls, &t.firstByte} {
		p.stop()
	}
}

// exchange returns what the trace has noted. Without a public address it tells neither
// address nor time of a dial, see noPublicAddress. It is called after end.
func (t *trace) exchange(answer Answer) Exchange {
	e := Exchange{FirstByte: t.firstByte.took, Reused: t.reused, Address: t.address}
	if !t.reused {
		e.DNS, e.Connect, e.TLS = t.dns.took, t.connect.took, t.tls.took
	}
	if answer == AnswerDNS {
		e.Connect, e.Address = 0, netip.Addr{}
	}
	return e
}
