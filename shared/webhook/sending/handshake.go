package sending

import (
	"crypto/tls"
	"errors"
	"net"
)

// The likely reason if a server asks for a client certificate and then closes the
// connection. In TLS 1.3 a server refuses the client only after the handshake,
// with an alert. That alert is lost if we write to the connection while the
// server closes it.
const (
	closedWithout = "the server asked for a client certificate and closed the connection: set client_certificate of the endpoint"
	closedWith    = "the server closed the connection after it got the client certificate: it may not accept this certificate"
)

// answering presents a certificate (an empty one means none) to a server that
// asks for one. It notes in the request's trace that the server asked, with the reason
// `closed`.
func answering(certificate *tls.Certificate, closed string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if t, ok := info.Context().Value(traceKey{}).(*trace); ok {
			t.asked(closed)
		}
		return certificate, nil
	}
}

// alertReason says why a server ended a TLS handshake with an alert, or "" for
// any other error. TLS 1.3 has an alert of its own for a missing client
// certificate; older versions use a general one.
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
