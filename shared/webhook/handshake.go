package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
)

// What a connection's end means after the server has asked for a client
// certificate. In TLS 1.3 it refuses only after the handshake, with an alert
// that is lost when we write into the connection that it closes.
const (
	closedWithout = "the server asked for a client certificate and closed the connection: set client_certificate of the endpoint"
	closedWith    = "the server closed the connection when it had got the client certificate: it may not accept it"
)

type askedKey struct{}

// watchHandshake returns the context of a request and what it means that its
// connection was closed; "" unless the server asked for a certificate.
func watchHandshake(ctx context.Context) (context.Context, func() string) {
	asked := new(atomic.Pointer[string])
	return context.WithValue(ctx, askedKey{}, asked), func() string {
		if closed := asked.Load(); closed != nil {
			return *closed
		}
		return ""
	}
}

// answering presents a certificate, or the empty one for none, to a server that
// asks for it, and notes that it did.
func answering(certificate *tls.Certificate, closed string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if asked, ok := info.Context().Value(askedKey{}).(*atomic.Pointer[string]); ok {
			asked.Store(&closed)
		}
		return certificate, nil
	}
}

// alertReason names why a server ended a TLS handshake with an alert, or is ""
// for any other error. Who demands a client certificate says so with an alert of
// its own in TLS 1.3, with a general one before.
func alertReason(err error) string {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" || remote.Err == nil {
		return ""
	}
	switch remote.Err.Error() {
	case "tls: certificate required":
		return "the server demands a client certificate: set client_certificate of the endpoint"
	case "tls: bad certificate", "tls: unknown certificate authority", "tls: unknown certificate", "tls: unsupported certificate",
		"tls: expired certificate", "tls: revoked certificate", "tls: access denied":
		return "the server does not accept the client certificate, or demands one"
	case "tls: handshake failure":
		return "the server refused the TLS handshake: it may demand a client certificate"
	}
	return "the server refused the TLS connection"
}
