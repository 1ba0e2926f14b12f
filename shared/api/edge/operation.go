package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/captcha"
	"portico/shared/fault"
	"portico/shared/identity"
	"portico/shared/pg"
)

// Op declares an operation: its name and what the frame enforces before its
// handler runs. With an incomplete declaration the function does not start.
type Op struct {
	ID         string // unique, camelCase: the OpenAPI operationId
	Method     string
	Path       string // /v1/<plural-nouns>
	Function   string // the folder below functions/api of the function that serves it
	Permission auth.Permission
	Acts       Acts // on which organization
	// Scoped marks a list that shows a member only the resources on which they have the
	// permission. Its handler asks Granted.
	Scoped bool
	// Fresh marks an operation that needs a person's recent proof of who they are.
	Fresh bool
	// Cost is how many work units one call counts: one is about what writing a
	// delivery costs. From limit.CostsMuch on the operation is an expensive one. What
	// is known only later is added by Call.Charge, and the rows of a page by the frame.
	Cost        int
	Audit       string // the audit entry's action, see audit.Actions; mutations only
	Access      string // the same of a read, if an organization wants its reads recorded; or NoRecords
	Tag         string
	Summary     string
	Description string
	Example     string // a complete body in JSON, if the operation has one
	Media       string // media type of a reply that has no Go type; "": application/json
	// Faults are the faults that this operation can answer besides those of the
	// frame. Tests fail if a reply has any other code.
	Faults  []*fault.Error
	Status  int   // of success; 0: 200
	MaxBody int64 // bytes; 0: 64 KiB
	// RecordedBy names the kind of rows that replace the audit entry, because
	// they name the actor; "": an audit entry is written.
	RecordedBy string
	// Wakes marks a mutation that makes deliveries due.
	Wakes bool
	// AddsJobs marks a mutation that adds background jobs, such as those that send
	// mail. Without it their runners hear of them with the next sweep.
	AddsJobs bool
	// IgnoresQuery marks an operation without query parameters that accepts
	// unknown ones, because browsers and monitors may add some. All other
	// operations refuse unknown parameters.
	IgnoresQuery bool
	// Challenge says when a CAPTCHA is demanded; nil: never. Its name is the ID.
	Challenge *captcha.Challenge
}

// Operation is an entry of the registry: a Read, a Write, a Wait or a Global.
type Operation interface {
	Meta() Op
	register(*Server)
	inside() bool // whether its handler runs in one organization's transaction
}

// Read is an operation that changes nothing. Its handler runs in a transaction
// bound to the caller's organization.
type Read[I, O any] struct {
	Op
	Handle func(*Call, *I) (*O, error)
}

// Write is a mutation. The frame handles Idempotency-Key, transaction, audit and
// notification; the handler only does the work, in the transaction of its call.
type Write[I, O any] struct {
	Op
	Handle func(*Call, *I) (*O, error)
}

// Wait is an operation that waits for something to read. Its handler runs without a
// transaction, so that nothing is held while it waits, and looks by Call.InOrg.
type Wait[I, O any] struct {
	Op
	Handle func(*Call, *I) (*O, error)
}

// Global is an operation that runs in no organization: a public one, which needs
// no caller and no database, or one for staff that reads across organizations.
// Its call has no organization and no transaction.
type Global[I, O any] struct {
	Op
	Handle func(*Call, *I) (*O, error)
}

// Self is an operation of a person on their own account, such as /v1/me. Its handler acts
// as this person by Call.AsSelf. A mutation writes its event into the person's history
// instead of an audit log.
type Self[I, O any] struct {
	Op
	Handle func(*Call, *I) (*O, error)
}

// Meta returns the declaration.
func (o Op) Meta() Op { return o }

func (Read[I, O]) inside() bool   { return true }
func (Write[I, O]) inside() bool  { return true }
func (Wait[I, O]) inside() bool   { return true }
func (Global[I, O]) inside() bool { return false }
func (Self[I, O]) inside() bool   { return false }

func (r Read[I, O]) register(s *Server) {
	register(s, s.declare(r.Op), func(ctx context.Context, in *I) (out *O, err error) {
		c := callOf(ctx)
		c.Org = c.Caller.Org
		if err := checked(c, in); err != nil {
			return nil, problemOf(c, err)
		}
		work := c.within(func() error {
			if err = c.judge(); err != nil {
				return err
			}
			if out, err = r.Handle(c, in); err != nil {
				return err
			}
			return s.recordRead(c)
		})
		if err = c.inOrg(false, work, nil); errors.Is(err, pg.ErrAgain) {
			err = c.inOrg(true, work, nil)
		}
		return out, problemOf(c, err)
	})
}

func (w Write[I, O]) register(s *Server) {
	op := s.declare(w.Op)
	op.Parameters = append(op.Parameters, idempotencyParameter)
	register(s, op, func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		c.Org = c.Caller.Org
		out, err := write(s, c, w, in)
		return out, problemOf(c, err)
	})
}

func (w Wait[I, O]) register(s *Server) {
	register(s, s.declare(w.Op), func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		c.Org = c.Caller.Org
		if err := checked(c, in); err != nil {
			return nil, problemOf(c, err)
		}
		out, err := w.Handle(c, in)
		if err == nil {
			err = s.recordRead(c)
		}
		return out, problemOf(c, err)
	})
}

// InOrg runs a function in a transaction of its own that is bound to the call's
// organization. Only for a Wait: other operations have a transaction.
func (c *Call) InOrg(look func() error) error {
	c.must(c.Tx == nil && !c.Org.IsZero(), "InOrg", "that it is a Wait")
	err := c.inOrg(false, c.within(look), nil)
	if errors.Is(err, pg.ErrAgain) {
		err = c.inOrg(true, c.within(look), nil)
	}
	return err
}

func (g Global[I, O]) register(s *Server) {
	register(s, s.declare(g.Op), func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		if err := checked(c, in); err != nil {
			return nil, problemOf(c, err)
		}
		out, err := g.Handle(c, in)
		if err == nil {
			err = s.recordRead(c)
		}
		return out, problemOf(c, err)
	})
}

func (o Self[I, O]) register(s *Server) {
	register(s, s.declare(o.Op), func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		if err := checked(c, in); err != nil {
			return nil, problemOf(c, err)
		}
		out, err := o.Handle(c, in)
		if errors.Is(err, identity.ErrNoLogin) {
			err = errNoAccount
		}
		return out, problemOf(c, err)
	})
}

// AsSelf runs a function in a transaction at home that is bound to the person who calls:
// of the tables of people it reaches the rows of this person only.
func (c *Call) AsSelf(fn func(pg.Tx) error) error {
	c.must(c.op.Acts == OnSelf, "AsSelf", "OnSelf")
	return c.People.AsUser(c, c.Caller.User, fn)
}

func isAction(name string) bool { _, found := audit.Find(name); return found }

// check returns an error if a declaration is incomplete.
func (o Op) check() error {
	mutates := o.Method != http.MethodGet
	switch {
	case o.ID == "" || o.Method == "" || o.Path == "" || o.Function == "" || o.Summary == "":
		return fmt.Errorf("operation %q (%s %s): ID, method, path, function and summary are required", o.ID, o.Method, o.Path)
	case o.Permission == "":
		return fmt.Errorf("operation %s has no permission: name one of package auth, or auth.Public", o.ID)
	case o.Permission != auth.Public && o.Permission != auth.Self && auth.Description[o.Permission] == "":
		return fmt.Errorf("operation %s: permission %s is not described in package auth", o.ID, o.Permission)
	case o.Permission != auth.Public && o.Cost < 1:
		return fmt.Errorf("operation %s has no limit cost", o.ID)
	case mutates && o.Audit == "":
		return fmt.Errorf("operation %s is a mutation without an audit action", o.ID)
	case mutates && o.Acts == OnSelf && !slices.Contains(identity.Actions, o.Audit):
		return fmt.Errorf("operation %s: the event %s is not described in shared/identity/event.go", o.ID, o.Audit)
	case mutates && o.Acts != OnSelf && !isAction(o.Audit):
		return fmt.Errorf("operation %s: the audit action %s is not described in shared/audit/actions.go", o.ID, o.Audit)
	case o.RecordedBy != "" && !slices.Contains(recorders, o.RecordedBy):
		return fmt.Errorf("operation %s is recorded by %s, which does not name who wrote it", o.ID, o.RecordedBy)
	case !mutates && (o.Audit != "" || o.RecordedBy != "" || o.Wakes || o.AddsJobs):
		return fmt.Errorf("operation %s is a GET and must not change anything", o.ID)
	}
	return nil
}

// checkAll returns the errors of all operations together.
func checkAll(operations []Operation) error {
	var faults []error
	seen := map[string]bool{}
	for _, o := range operations {
		op := o.Meta()
		faults = append(faults, op.check(), op.checkActs(o.inside()), op.checkRights(), op.checkRecorded(), op.checkChallenge())
		if seen[op.ID] || seen[op.Method+" "+op.Path] {
			faults = append(faults, fmt.Errorf("operation %s (%s %s) is declared twice", op.ID, op.Method, op.Path))
		}
		seen[op.ID], seen[op.Method+" "+op.Path] = true, true
	}
	return errors.Join(faults...)
}
