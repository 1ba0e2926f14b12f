package sending

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"portico/shared/id"
)

const (
	// maxClientTransports and idlePerTransport bound the idle connections to
	// endpoints with client certificates. Together with all other idle
	// connections and the requests in flight they stay below the 1,024 open files
	// of a Lambda function.
	maxClientTransports = 32
	idlePerTransport    = 8
)

// clientTransports keeps a transport for each endpoint that has a client
// certificate, so that its connections stay open and are used for this endpoint
// only.
type clientTransports struct {
	mu   sync.Mutex
	kept map[endpointKey]*clientTransport
}

type endpointKey struct {
	org      id.Org
	endpoint id.WebhookEndpoint
}

type clientTransport struct {
	certificate *ClientCertificate
	transport   *http.Transport
	used        time.Time
}

// transport returns the endpoint's transport, made like base. It is replaced when
// the certificate has changed. If there are too many transports, the least
// recently used one is dropped.
func (p *clientTransports) transport(base *http.Transport, key endpointKey, c *ClientCertificate) (*http.Transport, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.kept[key]; known != nil && known.certificate.equal(c) {
		known.used = time.Now()
		return known.transport, nil
	}
	transport, err := withCertificate(base, c)
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

// drop removes an endpoint's transport. Requests in flight still finish on it;
// their connections close when they are idle.
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

// withCertificate returns a copy of base that presents the certificate to every
// server that asks for one, even if the server's list of accepted authorities
// does not match: that list often lacks the intermediate ones.
func withCertificate(base *http.Transport, c *ClientCertificate) (*http.Transport, error) {
	certificate, err := c.forTLS()
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	transport := base.Clone()
	transport.TLSClientConfig.GetClientCertificate = answering(certificate, closedWith)
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = idlePerTransport, idlePerTransport
	return transport, nil
}

// transportOf returns the transport of a try's endpoint.
func (s *Sender) transportOf(t Try) (*http.Transport, error) {
	if t.Target.Certificate == nil {
		return s.transport, nil
	}
	return s.clientTransports.transport(s.transport, endpointKey{t.Org, t.Endpoint}, t.Target.Certificate)
}
