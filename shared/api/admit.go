package api

import (
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
)

var errNoKey = fault.New(fault.Unauthenticated, "api_key_missing",
	"Send your API key as `Authorization: Bearer ptc_…`.")

var errNoPermission = fault.New(fault.Denied, "permission_missing",
	"This API key lacks the permission that the detail names. Use a key that has it.")

var errBadIdempotencyKey = fault.InvalidField("header."+idempotencyHeader,
	fmt.Sprintf("must have 1 to %d printable ASCII characters", maxIdempotencyKey))

// admit lets a request through to its operation when its caller may call it.
// The cheap checks come first: junk is refused without asking a store.
func (e *Edge) admit(op Op) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		call := callOf(ctx.Context())
		call.op = &op
		if err := e.letIn(ctx, call); err != nil {
			e.writeProblem(ctx, err)
			return
		}
		next(ctx)
	}
}

// letIn returns why a request does not reach its operation, or nil.
func (e *Edge) letIn(ctx huma.Context, call *call) (err error) {
	if call.op.Permission != auth.Public {
		if call.caller, err = e.authenticate(ctx); err != nil {
			return err
		}
		if call.caller.IsStaff() { // the reply names the staff key
			call.setHeader(staffKeyHeader, call.caller.StaffKey.String())
		}
		if err = allowed(call, *call.op); err != nil {
			return err
		}
	}
	if !call.op.IgnoresQuery {
		err = checkQuery(ctx.Operation(), ctx.URL().RawQuery)
	}
	if err = fault.Join(err, checkHeaders(call.sent)); err != nil || call.op.Permission == auth.Public {
		return err
	}
	return e.enter(ctx, call)
}

// authenticate is the one place that resolves a caller.
func (e *Edge) authenticate(ctx huma.Context) (auth.Caller, error) {
	scheme, plain, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if plain == "" || !strings.EqualFold(scheme, "Bearer") {
		return auth.Caller{}, errNoKey
	}
	hash, err := apikey.Parse(strings.TrimSpace(plain))
	if err != nil {
		return auth.Caller{}, err
	}
	return e.Keys.Caller(ctx.Context(), hash, callOf(ctx.Context()).origin.SourceIP)
}

func allowed(c *call, op Op) error {
	if op.Acts.StaffOnly() && !c.caller.IsStaff() {
		return errStaffOnly
	}
	if !c.caller.May(op.Permission) {
		return errNoPermission.Saying("This API key lacks the permission %s. Use a key that has it.", op.Permission)
	}
	if len(c.key) > maxIdempotencyKey || strings.ContainsFunc(c.key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errBadIdempotencyKey
	}
	return nil
}
