package api

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"log/slog"
	"net/http"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/observe"
)

// call is one request in work: what the framework learns of it on the way and
// writes into its log line at the end.
type call struct {
	op     *Op
	edge   *Edge
	input  checker // nil: not read yet, or without rules of its own
	caller auth.Caller
	key    string // Idempotency-Key
	digest hash.Hash
	cause  error                // of a reply that is no success
	due    []id.WebhookEndpoint // endpoints that have something due with the commit
	origin audit.Origin
	change change // of a mutation
	// committed runs after the commit of a mutation, in order. What must not be
	// lost when the process ends in between does not belong here.
	committed []func(context.Context)
	notes     []slog.Attr
	metrics   []observe.Metric
	sent      http.Header // with the request
	headers   http.Header // of the reply
}

type callKey struct{}

// callOf returns the request in work; outside one, an empty call.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{headers: http.Header{}}
}

// withCall returns the request with a call in its context. A request with an
// Idempotency-Key has its path and body hashed as they are read.
func (e *Edge) withCall(w http.ResponseWriter, r *http.Request) (*call, *http.Request) {
	c := &call{edge: e, headers: w.Header(), sent: r.Header, key: r.Header.Get(idempotencyHeader), origin: originOf(r)}
	if c.key != "" {
		c.digest = sha256.New()
		_, _ = io.WriteString(c.digest, r.URL.Path+"\n")
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, c.digest), r.Body}
	}
	return c, r.WithContext(context.WithValue(r.Context(), callKey{}, c))
}

// hash identifies the request: path and body.
func (c *call) hash() []byte { return c.digest.Sum(nil) }

func (c *call) setHeader(name, value string) { c.headers.Set(name, value) }

// measure adds a metric to the request's log line.
func (c *call) measure(m observe.Metric) { c.metrics = append(c.metrics, m) }

// note adds to the request's log line.
func (c *call) note(attrs ...slog.Attr) { c.notes = append(c.notes, attrs...) }
