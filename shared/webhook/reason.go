package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"portico/shared/egress"
)

// reason names the common ways in which a connection fails, for the attempt
// log: what the customer can act on, without our side's addresses and ports.
func reason(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	if handshake := handshakeReason(err); handshake != "" {
		return handshake
	}
	switch {
	case errors.Is(err, egress.ErrTooManyDials):
		return "the server closed every connection before it answered"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the host name does not resolve"
	case errors.As(err, &dns):
		return "the host name could not be resolved"
	case errors.As(err, &unknown), errors.As(err, &cert):
		return "the TLS certificate is not valid for this URL"
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "the connection was closed before the response was complete"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "server response headers exceeded"):
		return "the response is not valid HTTP"
	}
	return "the request failed"
}
