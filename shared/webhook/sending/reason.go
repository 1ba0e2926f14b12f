package sending

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"portico/shared/egress"
)

// noPublicAddress is the reason both for a name that does not exist and for a
// private address, so that customers cannot find out which names our own network
// has.
const noPublicAddress = "the host has no public address: its name does not resolve, or leads to a private or reserved address"

// Reason describes the common errors of a connection for the attempt log: what
// the customer can act on, without our own addresses and ports. closed is the
// likely reason if the connection was closed; "": none in particular.
func Reason(err error, closed string) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	if alert := alertReason(err); alert != "" {
		return alert
	}
	switch {
	case errors.Is(err, egress.ErrTooManyDials):
		return "the server closed every connection before it answered"
	case errors.Is(err, egress.ErrForbidden), errors.As(err, &dns) && dns.IsNotFound:
		return noPublicAddress
	case errors.As(err, &dns):
		return "the host name could not be resolved"
	case errors.As(err, &unknown), errors.As(err, &cert):
		return "the TLS certificate is not valid for this URL"
	case errors.As(err, &record):
		return "the server does not use TLS on this port"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case isClosed(err):
		return cmp.Or(closed, "the connection was closed before the response was complete")
	case isIPv6Only(err):
		return "the host has no IPv4 address: deliveries are sent over IPv4"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case isNotHTTP(err):
		return "the response is not valid HTTP"
	}
	return cmp.Or(closed, "the request failed")
}

// isClosed reports whether the other side ended the connection. For HTTP/2 only
// the text of the error tells.
func isClosed(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "http2: client conn") // closed, lost, or not established
}

// isNotHTTP reports whether the response could not be read as HTTP.
func isNotHTTP(err error) bool {
	return strings.Contains(err.Error(), "malformed HTTP") || strings.Contains(err.Error(), "server response headers exceeded")
}
