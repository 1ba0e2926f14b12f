// Package sending makes a try of a delivery: one signed POST to a customer's server,
// only to addresses that may be reached. It has the rules of what such a request
// contains besides the event: custom headers and client certificates.
package sending

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"portico/shared/clock"
	"portico/shared/egress"
)

const (
	// MaxTimeout bounds the timeout of an endpoint, which covers connect, headers
	// and body together.
	MaxTimeout = 30 * time.Second
	// excerpt is how much of a response is kept in the attempt log.
	excerpt = 4 << 10
	// maxResponse is how much of a response is read. A shorter response is read
	// to its end, so that its connection can be used again.
	maxResponse = 64 << 10
	// maxDials is how many connections a try may open: normally one, a few more
	// if the server closes connections at that moment.
	maxDials = 4
	// UserAgent is the User-Agent header of deliveries.
	UserAgent   = "Portico-Webhooks/1.0"
	contentType = "application/json"
)

// Sender POSTs signed payloads. It is safe for concurrent use.
type Sender struct {
	transport        *http.Transport // of endpoints without a client certificate
	clientTransports clientTransports
	clock            *clock.Clock
	atMost           time.Duration
	reach            reach
}

// New returns a sender that connects only to addresses that the policy allows. A
// try takes at most atMost, even if its endpoint's timeout is longer.
func New(policy egress.Policy, clock *clock.Clock, atMost time.Duration) *Sender {
	return Over(policy.Transport(), clock, atMost)
}

// Over is New for tests, whose transport may have another dialer or trust other
// authorities. It changes the transport.
func Over(transport *http.Transport, clock *clock.Clock, atMost time.Duration) *Sender {
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.MinVersion = tls.VersionTLS12
	transport.TLSClientConfig.GetClientCertificate = answering(&tls.Certificate{}, closedWithout)
	return &Sender{transport: transport, clock: clock, atMost: atMost}
}

func (s *Sender) timeout(t Try) time.Duration { return min(t.Target.Timeout, s.atMost) }

// response is the part of a receiver's answer that was read.
type response struct {
	code   int
	header http.Header
	body   []byte
	trace  *trace
}

// Send makes a try. It blocks for the endpoint's timeout at most, plus
// decideWithin if the receiver was not reached.
func (s *Sender) Send(ctx context.Context, t Try) Outcome {
	o := Outcome{Tried: true, StartedAt: s.clock.Now()}
	start := time.Now()
	answer, err := s.post(ctx, t, o.StartedAt)
	o.Latency = time.Since(start)
	answer.trace.end()
	o.StatusCode, o.Answer = answer.code, answerOf(answer.code, err, answer.trace)
	exchange := answer.trace.exchange(o.Answer)
	exchange.note(t.Target, answer.header)
	o.Exchange = exchange.Encode(o.StartedAt)
	o.Body = maskEchoes(answer.body, secretsOf(t.Target.Headers))
	o.Hint = Hint{
		RetryAfter:  ParseRetryAfter(answer.header.Get("Retry-After"), s.clock.Now()),
		TimedOut:    errors.Is(err, context.DeadlineExceeded),
		EgressFault: s.reach.egressFault(ctx, t, o.StartedAt.Sub(t.Event.Time()), answer.trace.connected, err),
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		o.Tried = false // this dispatcher was stopped: not the receiver's fault
	case o.EgressFault != nil:
		o.Tried = false
	case o.TimedOut:
		o.Error = fmt.Sprintf("no complete response within %s", s.timeout(t))
	case err != nil:
		o.Error = Reason(err, answer.trace.closed)
	case answer.code >= 300 && answer.code < 400:
		o.Error = "redirects are not followed: give the final URL"
	case answer.code < 200 || answer.code > 299:
		o.Error = fmt.Sprintf("answered %d, expected 2xx", answer.code)
	}
	return o
}

func (s *Sender) post(ctx context.Context, t Try, now time.Time) (answer response, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout(t))
	defer cancel()
	ctx, answer.trace = s.reach.watch(egress.WithDials(ctx, maxDials))
	target, err := url.Parse(t.Target.URL)
	if err != nil {
		return answer, err
	}
	header, err := headerOf(t, now)
	if err != nil {
		return answer, err
	}
	req := (&http.Request{
		Method: http.MethodPost, URL: target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		ContentLength: int64(len(t.Payload)),
		Body:          io.NopCloser(bytes.NewReader(t.Payload)),
		// With GetBody the transport can try another connection if the kept one
		// was closed before anything was sent.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(t.Payload)), nil },
	}).WithContext(ctx)
	transport, err := s.transportOf(t)
	if err != nil {
		return answer, err
	}
	// RoundTrip follows no redirects and keeps no cookies.
	res, err := transport.RoundTrip(req)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	s.reach.reached()
	answer.code, answer.header = res.StatusCode, res.Header
	answer.body, err = read(res.Body)
	return answer, err
}

// headerOf returns the headers of a try: the custom headers of the customer,
// which cannot have a name that Portico uses, and ours.
func headerOf(t Try, now time.Time) (http.Header, error) {
	header := http.Header{}
	for name, value := range t.Target.Headers {
		header.Set(name, value)
	}
	header.Set("Content-Type", contentType)
	header.Set("User-Agent", UserAgent)
	return header, t.Target.Signer.SetHeaders(header, t.Event.String(), now, t.Payload)
}

// read returns the first bytes of a response. If the response ends within
// maxResponse, its connection can be used again. The rest of a longer response is
// not read, and closing the body closes the connection.
func read(body io.Reader) ([]byte, error) {
	head, err := io.ReadAll(io.LimitReader(body, excerpt))
	if err != nil || len(head) < excerpt {
		return head, err
	}
	_, err = io.CopyN(io.Discard, body, maxResponse-excerpt)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}
