package sending

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"

	"portico/shared/egress"
)

// Answer is what a try got from the receiver, in one word. Lists of deliveries are
// filtered by it.
type Answer string

// The answers. The first four are complete responses, by their status; the others say
// why there was none.
const (
	Answer2xx        Answer = "2xx"
	Answer3xx        Answer = "3xx"
	Answer4xx        Answer = "4xx"
	Answer5xx        Answer = "5xx"
	AnswerTimeout    Answer = "timeout"    // no complete response in time
	AnswerDNS        Answer = "dns"        // the host has no public address
	AnswerConnection Answer = "connection" // refused, unreachable, or closed too early
	AnswerTLS        Answer = "tls"        // certificate or handshake
	AnswerProtocol   Answer = "protocol"   // not HTTP, or a status that HTTP does not have
	AnswerNone       Answer = "none"       // there was no try; of deliveries only
)

// answerOf returns the answer of a try. Its trace has ended.
func answerOf(code int, err error, t *trace) Answer {
	if err == nil {
		return answerOfStatus(code)
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return AnswerTimeout
	case errors.Is(err, egress.ErrForbidden), errors.As(err, &dns):
		return AnswerDNS // the same for both, see noPublicAddress
	case t.handshake, isTLS(err), t.closed != "":
		return AnswerTLS
	case isNotHTTP(err):
		return AnswerProtocol
	case errors.As(err, &timeout) && timeout.Timeout():
		return AnswerTimeout
	}
	return AnswerConnection
}

func answerOfStatus(code int) Answer {
	switch code / 100 {
	case 2:
		return Answer2xx
	case 3:
		return Answer3xx
	case 4:
		return Answer4xx
	case 5:
		return Answer5xx
	}
	return AnswerProtocol
}

// isTLS reports whether a TLS handshake failed, by the type of the error: the trace of
// a request does not see a handshake that another request began.
func isTLS(err error) bool {
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	return alertReason(err) != "" || errors.As(err, &cert) || errors.As(err, &unknown) || errors.As(err, &record)
}
