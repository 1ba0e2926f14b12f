package edge

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
)

var errNoKey = fault.New(fault.Unauthenticated, "api_key_missing",
	"Send your API key as `Authorization: Bearer ptc_…`.").
	Means("There is no header `Authorization: Bearer ptc_…`")

var errNoPermission = fault.New(fault.Denied, "permission_missing",
	"This API key lacks the required permission. Use a key that has it.").
	Means("The key lacks a permission; the detail says which one.")

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
		if c.Caller.IsStaff() { // the reply names the staff key
			c.setHeader(staffKeyHeader, c.Caller.StaffKey.String())
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

// authenticate sets the caller of a request, and counts the request against the
// caller's limits, or those of its address if the key is not valid. No other code
// does that.
func (s *Server) authenticate(ctx huma.Context, c *Call) error {
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
	hash, err := apikey.Parse(strings.TrimSpace(plain))
	if err != nil {
		return err
	}
	return s.identify(c, hash)
}

func allowed(c *Call, op Op) error {
	if op.Acts.StaffOnly() && !c.Caller.IsStaff() {
		return errStaffOnly
	}
	if !c.Caller.May(op.Permission) {
		return errNoPermission.Saying("This API key lacks the permission %s. Use a key that has it.", op.Permission)
	}
	if len(c.key) > maxIdempotencyKey || strings.ContainsFunc(c.key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errBadIdempotencyKey
	}
	return nil
}
