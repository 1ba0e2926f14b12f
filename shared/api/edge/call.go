package edge

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Call is one request in work: what its handler may use, and what the frame
// learns of it on the way. It is the request's context too, so that a handler
// passes it on as such.
type Call struct {
	context.Context
	*Services
	Caller auth.Caller // nobody's in a public operation
	Org    id.Org      // that the call acts on; zero in a Global
	Tx     pg.Tx       // bound to Org, while the handler runs; nil in a Global

	op        *Op     // nil: none answers the request
	input     Checked // nil: not read yet, or without rules of its own
	key       string  // Idempotency-Key
	digest    hash.Hash
	cause     error                // of a reply that is no success
	due       []id.WebhookEndpoint // endpoints that have something due with the commit
	origin    audit.Origin
	change    change   // of a mutation
	committed []func() // see AfterCommit
	notes     []slog.Attr
	metrics   []observe.Metric
	sent      http.Header // with the request
	headers   http.Header // of the reply
}

type callKey struct{}

// callOf returns the request in work. huma hands on a context and no more, so
// this is the one place that looks a call up; everything else is given it. A
// context without one is a defect: what was said of such a call would be lost.
func callOf(ctx context.Context) *Call {
	c, ok := ctx.Value(callKey{}).(*Call)
	if !ok {
		panic("a request lost its call: pass its context on")
	}
	return c
}

// newCall returns the call of a request, and the request with it in its context.
// A request with an Idempotency-Key has its path and body hashed as they are
// read.
func (s *Server) newCall(w http.ResponseWriter, r *http.Request) (*Call, *http.Request) {
	c := &Call{
		Services: &s.Services, headers: w.Header(), sent: r.Header, key: r.Header.Get(idempotencyHeader), origin: originOf(r),
	}
	if c.key != "" {
		c.digest = sha256.New()
		_, _ = io.WriteString(c.digest, r.URL.Path+"\n")
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, c.digest), r.Body}
	}
	c.Context = context.WithValue(r.Context(), callKey{}, c)
	return c, r.WithContext(c.Context)
}

// hash identifies the request: path and body.
func (c *Call) hash() []byte { return c.digest.Sum(nil) }

func (c *Call) setHeader(name, value string) { c.headers.Set(name, value) }

// within returns work as pg wants it: while it runs, the transaction is the call's.
func (c *Call) within(work func() error) func(pg.Tx) error {
	return func(tx pg.Tx) error {
		c.Tx = tx
		defer func() { c.Tx = nil }()
		return work()
	}
}

// Now is the time of the clock that tests set.
func (c *Call) Now() time.Time { return c.Clock.Now() }

// Due says which endpoints have something due with the commit: it is announced
// before the commit, and woken after it. Only for an operation that Wakes.
func (c *Call) Due(endpoints ...id.WebhookEndpoint) {
	c.must(c.op.Wakes, "Due", "Wakes")
	c.due = endpoints
}

// AfterCommit has f run after the commit of a mutation, in order. What must not
// be lost when the process ends in between does not belong there.
func (c *Call) AfterCommit(f func()) {
	c.must(c.op.Audit != "", "AfterCommit", "an audit action")
	c.committed = append(c.committed, f)
}

// must ends a call that says what the frame would not act on, because its
// operation does not declare that.
func (c *Call) must(declared bool, method, what string) {
	if !declared {
		panic(fmt.Sprintf("operation %s calls %s and declares not %s", c.op.ID, method, what))
	}
}

// Measure adds a metric to the request's log line.
func (c *Call) Measure(m observe.Metric) { c.metrics = append(c.metrics, m) }

// Note adds to the request's log line.
func (c *Call) Note(attrs ...slog.Attr) { c.notes = append(c.notes, attrs...) }
