package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/oauth"
	"portico/shared/role"
)

var errNoKey = fault.New(fault.Unauthenticated, "api_key_missing",
	"Send your API key as `Authorization: Bearer ptc_…`.").
	Means("There is no header `Authorization: Bearer ptc_…`")

var errNoPermission = fault.New(fault.Denied, "permission_missing",
	"You lack the required permission.").
	Means("The API key or the member lacks a permission; the detail says which one.")

var errNotSelf = fault.New(fault.Denied, "person_only", "This is about the account of a person. An API key belongs to none: sign in, or let an app act in your name.").
	Means("Only a person may do this on their own account, or an app to which the person has given it.")

var errNoAccount = fault.New(fault.Unauthenticated, "account_missing", "You have no account any more. Sign up again.").
	Means("The person in whose name the call is made has no account.")

var errReadOnly = fault.New(fault.Denied, "read_only", "This session may only read.").
	Means("The session may only read, because staff look at the organization as one of its members.")

// freshFor is how long a person's proof counts for operations that are Fresh.
const freshFor = 10 * time.Minute

var errNotFresh = fault.New(fault.Denied, "reauthentication_required", "Confirm that it is you: enter your password or use another way to sign in, then try again.").
	Means("The operation needs a person who has proved in the last ten minutes who they are. API keys are not asked.")

var errBadIdempotencyKey = fault.InvalidField("header."+idempotencyHeader,
	fmt.Sprintf("must have 1 to %d printable ASCII characters", maxIdempotencyKey))

// admit passes a request to its operation if the caller may call it. The cheap
// checks come first, so that invalid requests are refused without a query.
func (s *Server) admit(op Op) func(huma.Context, func(huma.Context)) {
	_, parameter := op.object()
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx.Context())
		c.op, c.object = &op, ctx.Param(parameter)
		err := s.letIn(ctx, c)
		if err == nil {
			err = s.pass(c)
		}
		if err != nil {
			writeProblem(ctx, c, err)
			return
		}
		next(ctx)
	}
}

// letIn returns why a request does not reach its operation, or nil.
func (s *Server) letIn(ctx huma.Context, c *Call) (err error) {
	if c.op.Permission != auth.Public {
		if err = s.authenticate(ctx, c); err != nil {
			return err
		}
		if c.Caller.Actor.Type == auth.StaffKey { // the reply names it
			c.setHeader(staffKeyHeader, c.Caller.Actor.ID)
		}
		if err = allowed(c, *c.op); err != nil {
			return err
		}
	}
	if !c.op.IgnoresQuery {
		err = checkQuery(ctx.Operation(), ctx.URL().RawQuery)
	}
	if err = fault.Join(checkPath(ctx), err, checkHeaders(c.sent)); err != nil || c.op.Permission == auth.Public {
		return err
	}
	return s.enter(ctx, c)
}

type callerContext struct{}

// As returns a context in which a request has this caller, whatever its headers say.
// Only Go code can do that: the pages for people, which know the caller from a
// session. The rights of a member are left nil.
func As(ctx context.Context, caller auth.Caller) context.Context {
	return context.WithValue(ctx, callerContext{}, caller)
}

// authenticate sets the caller of a request, and counts the request against the
// caller's limits, or those of its address if the key is not valid. No other code
// does that. It reads no cookie, so no other site can make a browser call the API.
func (s *Server) authenticate(ctx huma.Context, c *Call) error {
	if caller, set := ctx.Context().Value(callerContext{}).(auth.Caller); set {
		return s.admitCaller(c, caller)
	}
	err := s.identifyBearer(ctx, c)
	if f := fault.Of(err); f != nil && f.Kind == fault.Unauthenticated {
		return cmp.Or(c.stranger(), err)
	}
	return err
}

func (s *Server) identifyBearer(ctx huma.Context, c *Call) error {
	scheme, plain, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if plain == "" || !strings.EqualFold(scheme, "Bearer") {
		return errNoKey
	}
	if plain = strings.TrimSpace(plain); oauth.IsAccess(plain) {
		caller, err := s.Apps.Caller(c, plain)
		if err != nil {
			return err
		}
		return s.admitCaller(c, caller)
	}
	hash, err := apikey.Parse(plain)
	if err != nil {
		return err
	}
	return s.identify(c, hash)
}

// admitCaller sets a caller who is not identified by an API key, and counts the call
// against the limits that an API key has by default, and those of the organization.
func (s *Server) admitCaller(c *Call, caller auth.Caller) (err error) {
	if caller.Actor.Type == auth.Staff {
		if caller, err = s.asStaff(c, caller); err != nil {
			return err
		}
	}
	if m := caller.Member(); !m.IsZero() {
		judge, err := s.Members.Of(c, caller.Org, m)
		if err != nil {
			return err
		}
		caller = c.judged(caller, judge)
		if caller.Actor.Type != auth.Staff {
			caller.User = judge.Subject().User
		}
	}
	c.Caller = caller
	return s.countCaller(c)
}

// judged returns a member's caller with the rights that a judge gives it.
func (c *Call) judged(caller auth.Caller, judge role.Judge) auth.Caller {
	caller.Rights = role.Authority{Judge: judge, Context: role.Context{IP: c.origin.SourceIP, Now: c.Now()}}
	if caller.Scope != nil || caller.Actor.Type != auth.Member {
		caller.Rights = auth.Bounded{Authority: caller.Rights, By: caller.Scope}
	}
	if caller.Actor.Type == auth.Member {
		caller.Actor.Name = judge.Subject().Name
	}
	return caller
}

// CallerNow returns the caller with the rights that it has in this transaction. What
// gives rights to others needs it: those of c.Caller may be five seconds old.
func (c *Call) CallerNow() (auth.Caller, error) {
	m := c.Caller.Member()
	if m.IsZero() {
		return c.Caller, nil
	}
	judge, err := member.Judge(c, c.Tx, c.Org, m)
	return c.judged(c.Caller, judge), err
}

func allowed(c *Call, op Op) error {
	switch {
	case op.Acts.StaffOnly() && !c.Caller.IsStaff():
		return errStaffOnly
	case c.Caller.ReadOnly && op.Method != http.MethodGet:
		return errReadOnly
	}
	if err := c.permits(op); err != nil {
		return err
	}
	if op.Fresh && (!c.Caller.Member().IsZero() || !c.Caller.User.IsZero()) && c.Now().Sub(c.Caller.Proved) > freshFor {
		return errNotFresh
	}
	if len(c.key) > maxIdempotencyKey || strings.ContainsFunc(c.key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errBadIdempotencyKey
	}
	return nil
}

// permits returns why the caller may not call the operation on any resource. If it may
// on some, the resource decides later.
func (c *Call) permits(op Op) error {
	p := op.Permission
	e := c.Caller.Extent(p)
	switch {
	case op.Acts == OnSelf && c.Caller.IsSelf():
		return nil
	case op.Acts == OnSelf:
		return errNotSelf
	case e.All:
		return nil
	case e.None() && c.Caller.Member().IsZero():
		return errNoPermission.Saying("This API key lacks the permission %s. Use a key that has it.", p)
	case e.None():
		return errNoPermission.Saying("You lack the permission %s. Ask an owner of your organization for it.", p)
	case op.Scoped && e.Why != "":
		return errNoPermission.Saying("This list is not for you, because %s. Read the resources one by one.", e.Why)
	case op.Scoped, op.resource():
		c.some = &e
		return nil
	}
	return errNoPermission.Saying("You have the permission %s on some resources only. This operation needs it on all.", p)
}

// judge refuses a call whose resource is not one of those on which the caller has the
// permission, in the call's transaction.
func (c *Call) judge() error {
	if c.some == nil || !c.op.resource() {
		return nil
	}
	resource, err := role.ResourceOf(c, c.Tx, c.Org, c.object)
	if err != nil && !errors.Is(err, role.ErrNoResource) {
		return err
	}
	if err != nil || !c.Caller.Rights.Allows(c.op.Permission, resource) {
		noun, _ := c.op.object()
		return errNoPermission.Saying("There is no %s with this id on which you have the permission %s.", strings.ReplaceAll(noun, "_", " "), c.op.Permission)
	}
	return nil
}

// Granted returns the ids of the resources that a list may show; nil: all. Only for an
// operation that is Scoped.
func Granted[I any, P interface {
	*I
	UnmarshalText([]byte) error
}](c *Call) (ids []I) {
	c.must(c.op.Scoped, "Granted", "Scoped")
	if c.some == nil {
		return nil
	}
	ids = []I{} // not nil, which would be all
	for _, text := range c.some.IDs {
		// The grants of a permission can be on resources of several types.
		if one, err := id.Parse[I, P](text); err == nil {
			ids = append(ids, one)
		}
	}
	return ids
}
