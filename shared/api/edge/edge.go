// Package edge is the frame that every operation runs in. It authenticates,
// checks the permission, opens the organization's transaction, makes a repeated
// mutation harmless, writes its audit entry, turns errors into problems and
// writes one log line; a handler does none of it and cannot forget any.
package edge

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/egress"
	"portico/shared/hostname"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook"
)

// Services are what handlers may use, besides what their call is about. A
// function leaves nil what none of its operations uses: Needs says which that is.
type Services struct {
	DB     *pg.DB
	Keys   *apikey.Projection
	Hosts  *hostname.Hosts
	Box    *secret.Box
	Egress egress.Policy
	// SourceIPs are the addresses that deliveries come from.
	SourceIPs []string
	Clock     *clock.Clock
}

// Server is the frame around the operations that one function serves.
type Server struct {
	Services
	Wakers pg.Databases[*webhook.Waker] // nil if no operation Wakes
	Log    *observe.Log
	// Elsewhere are operations that other functions serve: one of them with
	// another method is a 405 here.
	Elsewhere []Operation

	huma  huma.API
	mux   *http.ServeMux
	known *http.ServeMux // every route, to find which methods a path has
}

// Needs says what a set of operations needs of its host.
type Needs struct {
	Store bool // DB, Keys, Hosts and Box
	Wake  bool // Wakers
}

// NeedsOf returns what the operations need.
func NeedsOf(operations []Operation) Needs {
	var n Needs
	for _, o := range operations {
		op := o.Meta()
		n.Store = n.Store || op.Permission != auth.Public
		n.Wake = n.Wake || op.Wakes
	}
	return n
}

// Handler returns the handler that serves the operations, or an error that
// names every operation that is not wholly declared.
func (s *Server) Handler(operations ...Operation) (http.Handler, error) {
	if err := checkAll(operations); err != nil {
		return nil, err
	}
	s.mux = http.NewServeMux()
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
	s.known = http.NewServeMux()
	routes := map[string]bool{}
	for _, o := range slices.Concat(operations, s.Elsewhere) {
		if op := o.Meta(); !routes[op.Method+" "+op.Path] {
			routes[op.Method+" "+op.Path] = true
			s.known.Handle(op.Method+" "+op.Path, http.NotFoundHandler())
		}
	}
	return s.observe(s.mux), nil
}

// OpenAPI describes the operations that Handler was given.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.huma.OpenAPI() }

// declare turns a declaration into huma's.
func (s *Server) declare(op Op) huma.Operation {
	h := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		DefaultStatus: op.Status, MaxBodyBytes: op.MaxBody, Tags: []string{op.Tag},
		Middlewares: huma.Middlewares{s.admit(op)},
		Security:    securityOf(op),
	}
	if h.MaxBodyBytes == 0 {
		h.MaxBodyBytes = 64 << 10
	}
	if op.Permission != auth.Public {
		h.Description += "\n\nPermission: `" + string(op.Permission) + "`."
		if op.Acts.StaffOnly() {
			h.Description += " Staff only."
		} else {
			h.Parameters = append(h.Parameters, organizationParameter)
		}
	}
	return h
}
