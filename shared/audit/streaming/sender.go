package streaming

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"portico/shared/audit/stream"
	"portico/shared/clock"
	"portico/shared/egress"
	"portico/shared/webhook/sending"
)

const (
	// timeout bounds a request: connect, send, and read the answer.
	timeout = 20 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
	// maxDials is how many connections a request may open.
	maxDials = 4
)

// Sender sends batches. It is safe for concurrent use.
type Sender struct {
	transport *http.Transport
	clock     *clock.Clock
	timeout   time.Duration
	vendors   Vendors
	aws       aws.Config
}

// Vendors are addresses that only tests and the stage set.
type Vendors struct {
	Datadog string // "": the one of the stream's site
}

// New returns a sender that connects only to addresses that the policy allows, and to
// AWS as cfg says: a customer chooses a bucket there, but no address.
func New(policy egress.Policy, clock *clock.Clock, vendors Vendors, cfg aws.Config) *Sender {
	return &Sender{transport: policy.Transport(), clock: clock, timeout: timeout, vendors: vendors, aws: cfg}
}

// Send sends a batch with at least one entry.
func (s *Sender) Send(ctx context.Context, b stream.Batch) stream.Outcome {
	switch b.Stream.Type {
	case stream.HTTPS:
		return s.sendHTTPS(ctx, b)
	case stream.SplunkHEC:
		return s.sendSplunk(ctx, b)
	case stream.Datadog:
		return s.sendDatadog(ctx, b)
	case stream.S3:
		return s.sendS3(ctx, b)
	}
	return stream.Outcome{Error: "this type of stream is not known: it is newer than the program that sends"}
}

// answer is what the other side has answered.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte // for the sender only: it may repeat secrets
}

// post sends a request. Redirects are not followed, because they would take the secret
// elsewhere. The error is for the customer.
func (s *Sender) post(ctx context.Context, url string, header http.Header, body []byte) (a answer, failed string) {
	ctx, cancel := context.WithTimeout(egress.WithDials(ctx, maxDials), s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return a, "the URL cannot be used"
	}
	header.Set("User-Agent", "Portico-Audit-Streams/1.0")
	req.Header = header
	res, err := s.transport.RoundTrip(req)
	if err == nil {
		defer res.Body.Close()
		a.status, a.retryAfter = res.StatusCode, sending.ParseRetryAfter(res.Header.Get("Retry-After"), s.clock.Now())
		a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return a, fmt.Sprintf("no complete response within %s", s.timeout)
	case err != nil:
		return a, sending.Reason(err, "")
	}
	return a, ""
}

// outcome is what an answer means with every type, if nothing in its body says more.
func (a answer) outcome() stream.Outcome {
	o := stream.Outcome{RetryAfter: a.retryAfter}
	switch {
	case a.status >= 200 && a.status <= 299:
	case a.status >= 300 && a.status <= 399:
		o.Error = "redirects are not followed: give the final URL"
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		o.Refused, o.Error = true, fmt.Sprintf("answered %d: access was denied", a.status)
	case a.status == http.StatusRequestEntityTooLarge:
		o.TooLarge, o.Error = true, "answered 413: the batch is too large"
	default:
		o.Error = fmt.Sprintf("answered %d, expected 2xx", a.status)
	}
	return o
}
