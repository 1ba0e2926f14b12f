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
	mu        sync.Mutex
	ended     bool
	connected bool // the request had a connection
	handshake bool // its TLS handshake failed
	reused    bool
	address   netip.Addr

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

// watch returns a context for a request, and its trace. Only a new connection proves
// that our network works; a kept one does not.
func (r *reach) watch(ctx context.Context) (context.Context, *trace) {
	t := &trace{}
	note := func(what func()) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.ended {
			what()
		}
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { note(t.dns.begin) },
		DNSDone:           func(httptrace.DNSDoneInfo) { note(t.dns.end) },
		ConnectStart:      func(_, address string) { note(func() { t.dial(address) }) },
		ConnectDone:       func(_, address string, err error) { t.dialled(r, note, address, err) },
		TLSHandshakeStart: func() { note(t.tls.begin) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			note(func() { t.tls.end(); t.handshake = err != nil })
		},
		GotConn:              func(info httptrace.GotConnInfo) { note(func() { t.got(info) }) },
		GotFirstResponseByte: func() { note(t.firstByte.end) },
	}), t
}

// dial notes an address that is dialled. A host with several may have several dials
// at a time, which are one phase.
func (t *trace) dial(address string) {
	t.connect.join()
	t.address = addressOf(address)
}

func (t *trace) dialled(r *reach, note func(func()), address string, err error) {
	if err == nil {
		r.reached()
	}
	note(func() {
		if t.connect.end(); err == nil {
			t.connected, t.address = true, addressOf(address)
		}
	})
}

func (t *trace) got(info httptrace.GotConnInfo) {
	t.connected, t.reused = true, info.Reused
	if info.Conn != nil {
		if at, ok := info.Conn.RemoteAddr().(*net.TCPAddr); ok {
			t.address = at.AddrPort().Addr().Unmap().WithZone("")
		}
	}
	t.firstByte.begin()
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
