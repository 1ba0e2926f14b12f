package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Op declares an operation: what it is called and what the framework enforces
// before its handler runs. An incomplete declaration does not start.
type Op struct {
	ID          string // unique, camelCase: the OpenAPI operationId
	Method      string
	Path        string // /v1/<plural-nouns>
	Function    string // the folder below functions/api that serves it
	Permission  auth.Permission
	Acts        Acts   // on which organization
	Cost        int    // what one call takes from the caller's rate limit
	Audit       string // `<noun>.<verb>` of the audit entry; mutations only
	Tag         string
	Summary     string
	Description string
	Example     string // a whole body in JSON, if the operation takes one
	Media       string // media type of a reply that has no Go type; "": application/json
	// Faults are those that only some operations raise: a reply with another
	// code fails the tests.
	Faults  []*fault.Error
	Status  int   // of success; 0: 200
	MaxBody int64 // bytes; 0: 64 KiB
	// RecordedBy names the rows that are the mutation's record themselves and name
	// its actor; "": an audit entry is written.
	RecordedBy string
	// Wakes marks a mutation that makes deliveries due.
	Wakes bool
	// IgnoresQuery marks an operation without query parameters that browsers and
	// monitors call, which add some of their own. All others refuse what they do not
	// know.
	IgnoresQuery bool
}

// Operation is an entry of the registry: a Read or a Write.
type Operation interface {
	Meta() Op
	register(*Edge)
	inside() bool // whether its handler runs in one organization's transaction
}

// Read is an operation without effect. Its handler runs in a transaction bound
// to the caller's organization.
type Read[I, O any] struct {
	Op
	Handle func(*Edge, context.Context, pg.Tx, id.Org, *I) (*O, error)
}

// checker is an input with rules that its schema cannot say. check returns all
// that is wrong, and may keep in the input what it has parsed. Resolve calls hold.
type checker interface {
	check(context.Context, *Edge) error
	Resolve(huma.Context) []error
}

// hold is told of each input before it is known whether the schema accepts it.
// What the schema accepts is checked later, since the stored reply to a repeated
// request comes first: time may have made its input invalid.
func hold(ctx huma.Context, in checker) []error {
	callOf(ctx.Context()).input = in
	return nil
}

// checked returns what is wrong with an input that its schema accepts.
func checked(ctx context.Context, e *Edge, in any) error {
	if c, ok := in.(checker); ok {
		return c.check(ctx, e)
	}
	return nil
}

// Write is a mutation. Idempotency-Key, transaction, audit and wake are the
// framework's; the handler only does the work, in the transaction it is given.
type Write[I, O any] struct {
	Op
	Handle func(*Edge, context.Context, pg.Tx, id.Org, *I) (*O, error)
}

// Static is an operation outside of every organization: a public one, which
// needs neither caller nor store, or one of staff's that looks across them all.
type Static[I, O any] struct {
	Op
	Handle func(*Edge, context.Context, *I) (*O, error)
}

// Meta returns the declaration.
func (o Op) Meta() Op { return o }

func (Read[I, O]) inside() bool   { return true }
func (Write[I, O]) inside() bool  { return true }
func (Static[I, O]) inside() bool { return false }

func (r Read[I, O]) register(e *Edge) {
	huma.Register(e.huma, e.declare(r.Op), func(ctx context.Context, in *I) (out *O, err error) {
		if err := checked(ctx, e, in); err != nil {
			return nil, problemOf(ctx, err)
		}
		org := callOf(ctx).caller.Org
		err = e.DB.InOrg(ctx, org, func(tx pg.Tx) error {
			out, err = r.Handle(e, ctx, tx, org, in)
			return err
		})
		return out, problemOf(ctx, err)
	})
}

func (w Write[I, O]) register(e *Edge) {
	op := e.declare(w.Op)
	op.Parameters = append(op.Parameters, idempotencyParameter)
	huma.Register(e.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := write(ctx, e, w, in)
		return out, problemOf(ctx, err)
	})
}

func (s Static[I, O]) register(e *Edge) {
	huma.Register(e.huma, e.declare(s.Op), func(ctx context.Context, in *I) (*O, error) {
		if err := checked(ctx, e, in); err != nil {
			return nil, problemOf(ctx, err)
		}
		out, err := s.Handle(e, ctx, in)
		return out, problemOf(ctx, err)
	})
}

var actionForm = regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)

// check returns what is missing from a declaration.
func (o Op) check() error {
	mutates := o.Method != http.MethodGet
	switch {
	case o.ID == "" || o.Method == "" || o.Path == "" || o.Function == "" || o.Summary == "":
		return fmt.Errorf("operation %q (%s %s): ID, method, path, function and summary are required", o.ID, o.Method, o.Path)
	case o.Permission == "":
		return fmt.Errorf("operation %s has no permission: name one of package auth, or auth.Public", o.ID)
	case o.Permission != auth.Public && auth.Description[o.Permission] == "":
		return fmt.Errorf("operation %s: permission %s is not described in package auth", o.ID, o.Permission)
	case o.Permission != auth.Public && o.Cost < 1:
		return fmt.Errorf("operation %s has no limit cost", o.ID)
	case mutates && o.Audit == "":
		return fmt.Errorf("operation %s changes something and has no audit action", o.ID)
	case mutates && !actionForm.MatchString(o.Audit):
		return fmt.Errorf("operation %s: the audit action %s is not of the form noun.verb", o.ID, o.Audit)
	case o.RecordedBy != "" && !slices.Contains(recorders, o.RecordedBy):
		return fmt.Errorf("operation %s is recorded by %s, which does not name who wrote it", o.ID, o.RecordedBy)
	case !mutates && (o.Audit != "" || o.RecordedBy != "" || o.Wakes):
		return fmt.Errorf("operation %s is a GET and may change nothing", o.ID)
	}
	return nil
}

// checkAll returns every fault of a set of operations at once.
func checkAll(operations []Operation) error {
	var faults []error
	seen := map[string]bool{}
	for _, o := range operations {
		op := o.Meta()
		faults = append(faults, op.check(), op.checkActs(o.inside()))
		if seen[op.ID] || seen[op.Method+" "+op.Path] {
			faults = append(faults, fmt.Errorf("operation %s (%s %s) is declared twice", op.ID, op.Method, op.Path))
		}
		seen[op.ID], seen[op.Method+" "+op.Path] = true, true
	}
	return errors.Join(faults...)
}
