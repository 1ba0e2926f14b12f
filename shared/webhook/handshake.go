package webhook

import (
	"errors"
	"net"
	"strings"
)

// handshakeReason names why a server ended a TLS handshake, or is "" for any
// other error. Who demands a client certificate says so with an alert of its
// own in TLS 1.3, with a general one before.
func handshakeReason(err error) string {
	if strings.Contains(err.Error(), "http2: client conn could not be established") {
		// net/http has lost the alert: the server closed right behind the handshake.
		return "the server closed the connection after the TLS handshake: it may demand a client certificate"
	}
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
