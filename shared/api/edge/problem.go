package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Problem is the body of every error (RFC 9457).
type Problem struct {
	Type      string  `json:"type" doc:"Where the code is explained." example:"/docs/errors#invalid_request"`
	Title     string  `json:"title" doc:"The HTTP status in words." example:"Unprocessable Entity"`
	Status    int     `json:"status" doc:"The HTTP status." example:"422"`
	Code      string  `json:"code" doc:"What went wrong, as a stable code that programs can use." example:"invalid_request"`
	Detail    string  `json:"detail" doc:"What went wrong and what to do, for a person." example:"The request has fields that cannot be accepted."`
	RequestID string  `json:"request_id" doc:"The id of this request, as in the log and in X-Request-Id." example:"Y2xjcj1Z5QMEPuw="`
	Errors    []Field `json:"errors,omitempty" doc:"The fields that are wrong, if any."`
	// ViolatedPolicies is named as the problem type quota-exceeded wants it.
	ViolatedPolicies []string `json:"violated-policies,omitempty" doc:"The limits that are reached, with code rate_limited."`

	Captcha *CaptchaWidget `json:"captcha,omitempty" doc:"The CAPTCHA to show, if one must be solved first."`

	retryAfter int    // seconds; 0: no header
	challenge  string // how to authenticate; "": no header
}

// Error makes a Problem an error for huma.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells huma the media type.
func (p *Problem) ContentType(string) string { return ProblemType }

// QuotaExceeded is the type of a problem for a caller that has reached a limit, as
// registered with IANA by draft-ietf-httpapi-ratelimit-headers.
const QuotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// GetHeaders tells huma the headers of an error.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	return h
}

// errInternal is a defect of ours: it has no kind.
var errInternal = fault.New(0, "internal", "Something went wrong on our side. Tell support the request id.").
	Means("A defect on our side. Tell support the request id.")

func statusFor(kind fault.Kind) int { return cmp.Or(statusOf[kind], http.StatusInternalServerError) }

var statusOf = map[fault.Kind]int{
	fault.Malformed:       http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Denied:          http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.TooMany:         http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// problemOf turns a handler's error into the problem that the caller may see,
// and keeps the cause for the log. Nil stays nil.
func problemOf(c *Call, err error) error {
	if err == nil {
		return nil
	}
	return newProblem(c, err)
}

func newProblem(c *Call, err error) *Problem {
	c.cause = err
	f := fault.Of(err)
	switch {
	case f == nil && (pg.IsTransient(err) || errors.Is(err, context.DeadlineExceeded)):
		f = fault.ErrAway
	case f == nil:
		f = errInternal
	}
	p := problem(c, statusFor(f.Kind), f.Code, detailOf(f))
	p.Errors, p.Captcha = fieldsOf(f), c.widget
	if over := (overLimit{}); errors.As(err, &over) {
		p.Type, p.ViolatedPolicies = QuotaExceeded, over.names()
	}
	p.challenge = c.challengeFor(f)
	p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	if p.Status == http.StatusServiceUnavailable {
		p.retryAfter = max(p.retryAfter, 1)
	}
	return p
}

// challengeFor returns how to authenticate after a fault, or "". An app learns what is wrong
// with its token (RFC 6750), and that its person must sign in again (RFC 9470).
func (c *Call) challengeFor(f *fault.Error) string {
	apps := cmp.Or(c.Apps, &oauth.Apps{})
	switch {
	case f.Code == oauth.ErrToken.Code:
		return apps.Challenge(`error="invalid_token"`)
	case f.Code == errNotFresh.Code && c.Caller.Actor.Type == auth.OAuthClient:
		return apps.Challenge(`error="insufficient_user_authentication"`, fmt.Sprintf("max_age=%d", int(freshFor.Seconds())))
	case f.Kind == fault.Unauthenticated:
		return apps.Challenge()
	}
	return ""
}

func problem(ctx context.Context, status int, code, detail string) *Problem {
	return &Problem{
		Type: "/docs/errors#" + code, Title: http.StatusText(status), Status: status,
		Code: code, Detail: detail, RequestID: observe.RequestID(ctx),
	}
}

// writeProblem answers a request that does not reach its operation.
func writeProblem(ctx huma.Context, c *Call, err error) {
	p := newProblem(c, err)
	for name, values := range p.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}
	ctx.SetHeader("Content-Type", p.ContentType(""))
	ctx.SetStatus(p.Status)
	_ = encodeJSON(ctx.BodyWriter(), p) // the client is gone
}

// notServed answers requests that match no operation: a known path with another
// method, or an unknown path.
func (s *Server) notServed(w http.ResponseWriter, r *http.Request) {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, pattern := s.known().Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "" {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		notFound(w, r)
		return
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	refuse(w, problem(r.Context(), http.StatusMethodNotAllowed, wrongMethod.Code, "This path has only the methods "+allow+". See /docs for all operations."))
}

// notFound answers requests for a path that no operation has.
func notFound(w http.ResponseWriter, r *http.Request) {
	p := problem(r.Context(), http.StatusNotFound, wrongPath.Code,
		"There is nothing at this path. See /docs for all operations.")
	refuse(w, p)
}

func refuse(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = encodeJSON(w, p) // the client is gone
}

var humaIsSet sync.Once

// setHuma sets the variables by which huma reports the errors of a request. Handler does it,
// and not init: so a program without operations does not link what operations need.
func setHuma() {
	// huma calls this one without a request, only to learn the type of the
	// errors.
	huma.NewError = func(status int, message string, _ ...error) huma.StatusError {
		return &Problem{Title: http.StatusText(status), Status: status, Detail: message}
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return invalid(callOf(ctx.Context()), status, message, errs)
	}
	validation.MsgExpectedRequiredProperty = missing + "%s" // located reads it
	validation.MsgExpectedRFC3339DateTime = wrongTime
	// Names are case-sensitive: {"DATA": 1} does not set data.
	huma.ValidateStrictCasing = true
}

// missing is the start of huma's message about a missing member; its name
// follows.
const missing = "is missing: "

// refusals are the problems of requests that huma itself refuses, by status. The
// texts are ours.
var refusals = map[int]struct{ code, detail, meaning string }{
	http.StatusBadRequest: {"malformed_request", "The request cannot be read.",
		"The body is not JSON in UTF-8, or a name occurs twice in one object."},
	http.StatusRequestEntityTooLarge: {"body_too_large", "The body is larger than this operation accepts.",
		"The body, or the data of an event, is larger than accepted."},
	http.StatusUnsupportedMediaType: {"unsupported_media_type", "Send the body as JSON with Content-Type: application/json.",
		"The body is not sent as application/json."},
	http.StatusUnprocessableEntity: {"invalid_request", "The request has fields that cannot be accepted.", ""}, // InvalidField says it
}

// invalid builds the problem of a request that huma refuses. The values it
// would echo are left out of the reply and the log: they may be secret.
func invalid(c *Call, status int, message string, errs []error) *Problem {
	refusal, ok := refusals[status]
	if !ok {
		return newProblem(c, errors.Join(append(errs, errors.New(message))...))
	}
	p := problem(c, status, refusal.code, refusal.detail)
	if len(errs) == 0 {
		p.Errors = []Field{{Location: "body", Message: message}}
	}
	for _, err := range errs {
		field := Field{Location: "body", Message: err.Error()}
		if detailer, ok := err.(huma.ErrorDetailer); ok {
			d := detailer.ErrorDetail()
			field = located(strings.TrimSuffix(d.Location, "."), d.Message)
		}
		p.Errors = append(p.Errors, field)
	}
	if status == http.StatusUnprocessableEntity {
		p.Errors = append(p.Errors, alsoWrong(c, p.Errors)...)
	}
	var causes []error
	for _, field := range p.Errors {
		causes = append(causes, errors.New(field.Location+": "+field.Message))
	}
	c.cause = errors.Join(causes...)
	return p
}

// wrongTime is the message for an invalid time, in a body or a query.
const wrongTime = "must be a time as in RFC 3339, such as 2026-11-01T00:00:00Z"

// located adds the name of a missing member, or of one that only decoding found, to
// the location.
func located(location, message string) Field {
	if strings.HasPrefix(message, "invalid date/time") {
		message = wrongTime
	}
	if name, ok := strings.CutPrefix(message, missing); ok {
		return Field{Location: location + "." + name, Message: "is required"}
	}
	if name, ok := strings.CutPrefix(message, notWhole); ok {
		return Field{Location: location + "." + name, Message: "must be a whole number without a fraction or an exponent, such as 10"}
	}
	return Field{Location: location, Message: message}
}

// alsoWrong returns the errors of an input's Check, without fields that the
// schema has refused already, and fields inside or around these.
func alsoWrong(c *Call, found []Field) []Field {
	if c.input == nil {
		return nil
	}
	f := fault.Of(c.input.Check(c))
	if f == nil || f.Kind != fault.Invalid {
		return nil
	}
	return slices.DeleteFunc(fieldsOf(f), func(rule Field) bool {
		return slices.ContainsFunc(found, func(schema Field) bool {
			return holds(schema.Location, rule.Location) || holds(rule.Location, schema.Location)
		})
	})
}

// holds reports whether outer is the same location as inner, or contains it.
func holds(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
