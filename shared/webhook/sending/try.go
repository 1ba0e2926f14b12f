package sending

import (
	"net/http"
	"strconv"
	"time"

	"portico/shared/id"
	"portico/shared/webhook/signing"
)

// Target is where to send and how to sign.
type Target struct {
	URL     string
	Timeout time.Duration
	Headers map[string]string // custom headers of the customer
	signing.Signer
	Certificate *ClientCertificate // nil: none
}

// Try is one request of a delivery.
type Try struct {
	Org      id.Org
	Endpoint id.WebhookEndpoint
	Event    id.Event
	Payload  []byte // never written to
	Target   *Target
}

// Outcome is what became of a try.
type Outcome struct {
	StartedAt time.Time
	Latency   time.Duration
	// StatusCode is 0 without a response. Error is "" on success.
	StatusCode int
	Answer     Answer
	Error      string
	Body       []byte // the first bytes of the response
	Exchange   []byte // as Exchange.Encode writes it
	// Tried is false when nothing was sent; then no attempt is logged or counted.
	Tried bool
	Hint
}

// Delivered reports whether the receiver has accepted the event.
func (o Outcome) Delivered() bool { return o.Tried && o.Error == "" }

// Hint is what is known from a failed try about the time of the next one.
type Hint struct {
	// RetryAfter is what the receiver asked for; 0: nothing.
	RetryAfter time.Duration
	// TimedOut: the response was not complete in time.
	TimedOut bool
	// EgressFault is the error if the fault is ours; it does not count as a try.
	EgressFault error
}

// ParseRetryAfter reads the header in both forms, seconds and HTTP-date. It
// returns 0 for the past and for anything else.
func ParseRetryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0 // nearly every answer; the errors of the other lines cost more than they look
	}
	// 32 bits of seconds fit into a Duration.
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
