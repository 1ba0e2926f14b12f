// Package edge is the frame that every operation runs in. It authenticates,
// checks the permission, opens the organization's transaction, answers a repeated
// mutation with the stored reply, writes its audit entry, turns errors into
// problems and writes one log line. Handlers do none of this, so they cannot
// forget it.
package edge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/audit/anchor"
	"portico/shared/auth"
	"portico/shared/cache"
	"portico/shared/captcha"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/egress"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/limit"
	"portico/shared/mail/deliverability"
	"portico/shared/mail/feedback"
	"portico/shared/member"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/staff"
	"portico/shared/webhook/fanout"
)

// Services are what all handlers of a function may use. Services that none of its
// operations needs are nil, see Needs.
type Services struct {
	DB      *pg.DB
	Keys    *apikey.Projection
	Members *member.Rights
	Staff   *staff.People
	// People and Sessions are how people sign in; only the function identity has them.
	People   *pg.Identity
	Sessions *session.Store
	Hosts    *hostname.Hosts
	Anchors  anchor.Table   // the ends of the archived audit logs
	Limits   limit.Policies // those of the stage
	Apps     *oauth.Apps    // the callers with access tokens
	Box      *secret.Box
	Egress   egress.Policy
	// SourceIPs are the addresses that deliveries come from.
	SourceIPs []string
	// Subscriptions are those of the organizations that published lately.
	Subscriptions *fanout.Cache
	Jobs          *job.Registry // the kinds of jobs
	Clock         *clock.Clock
	// LinkTo makes an address of a file that customers download, from its key and its
	// name; only the function audit-log has it.
	LinkTo func(ctx context.Context, key, file string) (string, error)
	// Captcha demands and verifies CAPTCHAs. The zero one refuses all calls that need
	// one.
	Captcha captcha.Gate
	// Mail says how mail leaves; only the function mail has it.
	Mail deliverability.Setup
	// Report applies what somebody reports about a mail. It may be repeated.
	Report func(context.Context, feedback.Report) error
}

// Server is the frame around the operations that one function serves.
type Server struct {
	Services
	Wakers pg.Databases[*claim.Waker] // nil if no operation Wakes
	// Counters are nil if there are no limits besides those of keys.
	Counters *Counters
	Log      *observe.Log
	// Elsewhere returns what other functions serve, such as "GET /v1/events". A request for
	// such a path with a wrong method gets a 405 here. It is asked on the first such request.
	Elsewhere func() []string

	waiting  *limit.Queue
	refusals *audit.Refusals
	reads    *cache.Cache[id.Org, bool] // which organizations want reads recorded

	huma  huma.API
	mux   *http.ServeMux
	known func() *http.ServeMux // every route, to find which methods a path has
}

// Needs says which services a set of operations needs.
type Needs struct {
	Store bool // DB, Keys, Hosts, Limits and Box
	Wake  bool // Wakers, and those of the runners of jobs
	// Captcha: some operation has a challenge.
	Captcha bool
}

// NeedsOf returns what the operations need.
func NeedsOf(operations []Operation) Needs {
	var n Needs
	for _, o := range operations {
		op := o.Meta()
		n.Store = n.Store || op.Permission != auth.Public
		n.Captcha = n.Captcha || op.Challenge != nil
		n.Wake = n.Wake || op.Wakes || op.AddsJobs
	}
	return n
}

// wantsFor is how long an environment relies on whether an organization wants its reads
// recorded, and wantsAtMost of how many organizations it knows that.
const (
	wantsFor    = 10 * time.Second
	wantsAtMost = 10_000
)

// Handler returns the handler that serves the operations, or an error that names
// every operation with an incomplete declaration.
func (s *Server) Handler(operations ...Operation) (http.Handler, error) {
	if err := checkAll(operations); err != nil {
		return nil, err
	}
	humaIsSet.Do(setHuma)
	s.mux, s.waiting, s.refusals = http.NewServeMux(), &limit.Queue{}, &audit.Refusals{DB: s.DB}
	s.reads = cache.New[id.Org, bool](wantsAtMost, wantsFor)
	s.huma = humago.New(s.mux, huma.Config{
		OpenAPI:       newDescription(),
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
	})
	for _, o := range operations {
		o.register(s)
		if err := checkDescribed(s.OpenAPI(), o.Meta()); err != nil {
			return nil, err
		}
	}
	s.mux.HandleFunc("/", s.notServed)
	s.known = sync.OnceValue(func() *http.ServeMux { return s.allRoutes(operations) })
	return s.observe(s.mux), nil
}

// allRoutes has the routes of these operations and those of other functions.
func (s *Server) allRoutes(operations []Operation) *http.ServeMux {
	var routes []string
	if s.Elsewhere != nil {
		routes = s.Elsewhere()
	}
	for _, o := range operations {
		routes = append(routes, o.Meta().Method+" "+o.Meta().Path)
	}
	slices.Sort(routes)
	all := http.NewServeMux()
	for _, route := range slices.Compact(routes) {
		all.Handle(route, http.NotFoundHandler())
	}
	return all
}

// OpenAPI describes the operations that Handler was given.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.huma.OpenAPI() }

// declare turns our declaration of an operation into huma's.
func (s *Server) declare(op Op) huma.Operation {
	h := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		DefaultStatus: op.Status, MaxBodyBytes: op.MaxBody, Tags: []string{op.Tag},
		BodyReadTimeout: -1, // none: the gateway has read the body before it calls the function
		Middlewares:     huma.Middlewares{s.admit(op)},
		Security:        securityOf(op),
	}
	if h.MaxBodyBytes == 0 {
		h.MaxBodyBytes = 64 << 10
	}
	if op.Challenge != nil {
		h.Parameters = append(h.Parameters, captchaParameter)
	}
	if op.Permission != auth.Public {
		h.Description += "\n\nPermission: `" + string(op.Permission) + "`."
		if op.Cost > 1 {
			h.Description += fmt.Sprintf(" Costs %d work units.", op.Cost)
		}
		if op.Acts.StaffOnly() {
			h.Description += " Staff only."
		}
		switch {
		case op.Acts == OnNamed:
			h.Parameters = append(h.Parameters, namedParameter)
		case op.Acts == OnSelf:
		case !op.Acts.StaffOnly(), op.Acts == OnChosen, op.Acts == OnClosed:
			h.Parameters = append(h.Parameters, organizationParameter)
		}
	}
	return h
}
