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

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/botscore"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Call is one request that is being handled: what its handler may use, and what
// the frame notes about it. It is also the request's context, so a handler passes
// it on as a context.
type Call struct {
	context.Context
	*Services
	Caller auth.Caller // zero in a public operation
	Score  botscore.Score
	Org    id.Org // the organization that the call acts on; zero in a Global
	Tx     pg.Tx  // bound to Org, while the handler runs; nil in a Global

	counters *Counters
	keyHash  apikey.Hash // of the caller's key
	strange  bool        // the call was counted against its address
	work     int64       // work units that the call has caused beyond its cost
	paused   time.Duration

	some      *auth.Extent // the caller has the permission on these resources only; nil: on all
	op        *Op          // nil: no operation has this path and method
	object    string       // the name or id of an object that the path has
	input     Checked      // nil: not read yet, or it has no rules besides its schema
	key       string       // Idempotency-Key
	digest    hash.Hash
	cause     error                // the error behind a reply that is not a success
	due       []id.WebhookEndpoint // endpoints that get a due delivery with the commit
	origin    audit.Origin
	change    change   // of a mutation
	recorded  bool     // see RecordRead
	committed []func() // see AfterCommit
	notes     []slog.Attr
	metrics   []observe.Metric
	sent      http.Header // with the request
	headers   http.Header // of the reply
	widget    *CaptchaWidget
}

type callKey struct{}

// callOf returns the call of a request's context. It is needed only where huma
// passes on nothing but a context; all other code gets the call as an argument. A
// context without a call is a defect, because notes about the call would be lost.
func callOf(ctx context.Context) *Call {
	c, ok := ctx.Value(callKey{}).(*Call)
	if !ok {
		panic("a request lost its call: pass its context on")
	}
	return c
}

// newCall returns the call of a request, and the request with the call in its
// context. If there is an Idempotency-Key, path and body are hashed while they
// are read.
func (s *Server) newCall(w http.ResponseWriter, r *http.Request) (*Call, *http.Request) {
	c := &Call{
		Services: &s.Services, counters: s.Counters, headers: w.Header(), sent: r.Header, key: r.Header.Get(idempotencyHeader), origin: originOf(r), Score: botscore.Of(r),
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

// within returns work in the form that pg needs, and sets the call's transaction
// while it runs.
func (c *Call) within(work func() error) func(pg.Tx) error {
	return func(tx pg.Tx) error {
		c.Tx = tx
		defer func() { c.Tx = nil }()
		return work()
	}
}

// Origin returns where the request came from, and which app has sent it in a person's name.
func (c *Call) Origin() audit.Origin {
	o := c.origin
	if c.Caller.Actor.Type == auth.OAuthClient {
		o.App = c.Caller.Actor
	}
	return o
}

// Now returns the time of the service's clock, which tests can set.
func (c *Call) Now() time.Time { return c.Clock.Now() }

// Due notes the endpoints that get a due delivery with the commit. The frame
// lowers the due time before the commit and notifies a dispatcher after it. Only
// for an operation with Wakes.
func (c *Call) Due(endpoints ...id.WebhookEndpoint) {
	c.must(c.op.Wakes, "Due", "Wakes")
	c.due = endpoints
}

// Pause waits for d, or until the request ends: then it returns an error. The pauses of
// a request do not count as its latency.
func (c *Call) Pause(d time.Duration) error {
	began := time.Now()
	defer func() { c.paused += time.Since(began) }()
	return clock.Sleep(c, d)
}

// forget drops what the handler has said, because its transaction runs again.
// The call had that many notes and metrics before.
func (c *Call) forget(notes, metrics int) {
	c.due, c.change, c.committed, c.work = nil, change{}, nil, 0
	c.notes, c.metrics = c.notes[:notes], c.metrics[:metrics]
}

// AfterCommit calls f after the commit of a mutation, in order. f is lost if the
// process ends in between, so it must not be essential.
func (c *Call) AfterCommit(f func()) {
	c.must(c.op.Audit != "", "AfterCommit", "an audit action")
	c.committed = append(c.committed, f)
}

// ProjectKey writes a key's projection when the mutation is committed. If that fails
// or never runs, the key's next use writes it.
func (c *Call) ProjectKey(hash apikey.Hash) {
	c.AfterCommit(func() {
		if err := c.Keys.Repair(c, c.Org, hash); err != nil {
			c.Note(slog.String("projecting_failed", err.Error()))
		}
	})
}

// LockKey locks an API key, zero if there is none, and says what the caller may give to
// a key.
func (c *Call) LockKey(key id.APIKey) (apikey.Stored, apikey.Grant, error) {
	caller, err := c.CallerNow()
	if err != nil {
		return apikey.Stored{}, apikey.Grant{}, err
	}
	return apikey.LockFor(c, c.Tx, caller, key, c.Now())
}

// must panics if a handler uses a method that its operation does not declare,
// because the frame would ignore the call.
func (c *Call) must(declared bool, method, what string) {
	if !declared {
		panic(fmt.Sprintf("operation %s calls %s but does not declare %s", c.op.ID, method, what))
	}
}

// Measure adds a metric to the request's log line.
func (c *Call) Measure(m observe.Metric) { c.metrics = append(c.metrics, m) }

// Note adds attributes to the request's log line.
func (c *Call) Note(attrs ...slog.Attr) { c.notes = append(c.notes, attrs...) }
