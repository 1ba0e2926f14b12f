package sending

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"portico/shared/id"
)

// Unexported names that the tests in sending_test use.
var (
	IsExhausted   = isExhausted
	IsUnreachable = isUnreachable
)

const MaxClientTransports = maxClientTransports

// Note is Exchange.note.
func Note(e *Exchange, t *Target, response http.Header) { e.note(t, response) }

// Trust makes a sender trust the servers of a test's authority.
func Trust(s *Sender, roots *x509.CertPool) { s.transport.TLSClientConfig.RootCAs = roots }

// ClientTransportsOf counts the transports that a sender keeps for client certificates.
func ClientTransportsOf(s *Sender) int { return len(s.clientTransports.kept) }

// Reach is reach with exported methods for tests.
type Reach struct{ reach }

func (r *Reach) Reached() { r.reached() }
func (r *Reach) Failed(org id.Org, host string) bool {
	return r.failed(context.Background(), org, host)
}

// PingAfter changes after how long without data an HTTP/2 connection gets a ping,
// and how long the answer may take.
func PingAfter(s *Sender, silence, answer time.Duration) {
	s.transport.HTTP2.SendPingTimeout, s.transport.HTTP2.PingTimeout = silence, answer
}
