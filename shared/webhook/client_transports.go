package webhook

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxClientTransports and idlePerTransport bound the kept connections of endpoints
	// with client certificates: together with those of all others, and with the
	// requests in flight, they stay below a Lambda function's 1,024 open files.
	maxClientTransports = 32
	idlePerTransport    = 8
)

// clientTransports keeps a transport for each endpoint that has a client certificate,
// so that its connections stay open and carry no other endpoint's deliveries.
type clientTransports struct {
	mu   sync.Mutex
	kept map[endpointKey]*clientTransport
}

type clientTransport struct {
	certificate *ClientCertificate
	transport   *http.Transport
	used        time.Time
}

// transport returns the endpoint's transport, made like base. Another
// certificate than the last time replaces it, and the least recently used one
// makes room.
func (p *clientTransports) transport(base *http.Transport, key endpointKey, c *ClientCertificate) (*http.Transport, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.kept[key]; known != nil && known.certificate.equal(c) {
		known.used = time.Now()
		return known.transport, nil
	}
	transport, err := presenting(base, c)
	if err != nil {
		return nil, err
	}
	p.drop(key)
	if len(p.kept) >= maxClientTransports {
		p.drop(p.oldest())
	}
	if p.kept == nil {
		p.kept = map[endpointKey]*clientTransport{}
	}
	p.kept[key] = &clientTransport{certificate: c, transport: transport, used: time.Now()}
	return transport, nil
}

// drop forgets an endpoint's transport. Requests in flight end on it; their
// connections close after them.
func (p *clientTransports) drop(key endpointKey) {
	if known := p.kept[key]; known != nil {
		known.transport.CloseIdleConnections()
		delete(p.kept, key)
	}
}

func (p *clientTransports) oldest() (oldest endpointKey) {
	var used time.Time
	for key, one := range p.kept {
		if used.IsZero() || one.used.Before(used) {
			oldest, used = key, one.used
		}
	}
	return oldest
}

// presenting returns a transport that dials and checks as base does and
// presents the certificate to whoever demands one. Which it wants is for the
// server to say: its list of authorities often lacks those in between.
func presenting(base *http.Transport, c *ClientCertificate) (*http.Transport, error) {
	certificate, err := c.forTLS()
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	transport := base.Clone()
	transport.TLSClientConfig.GetClientCertificate = answering(certificate, closedWith)
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = idlePerTransport, idlePerTransport
	return transport, nil
}

// transportOf returns the transport of a claim's endpoint.
func (s *Sender) transportOf(c Claim) (*http.Transport, error) {
	if c.Endpoint.Certificate == nil {
		return s.transport, nil
	}
	return s.clientTransports.transport(s.transport, endpointKey{c.Org, c.EndpointID}, c.Endpoint.Certificate)
}
