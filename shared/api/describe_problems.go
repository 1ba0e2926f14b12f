package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/idempotency"
	"portico/shared/org"
)

const problemType = "application/problem+json"

// gatewayProblem is what API Gateway answers itself, when a request does not
// reach us or we do not answer in time.
type gatewayProblem struct {
	Message string `json:"message" doc:"The HTTP status in words." example:"Too Many Requests"`
}

// fromGateway are the statuses that API Gateway answers itself.
var fromGateway = []int{
	http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// answerable is a problem that an operation can answer.
type answerable struct {
	status       int
	code, detail string
	own          bool // the operation's, and not one that others have too
}

func answerableOf(own bool, faults ...*fault.Error) (list []answerable) {
	for _, f := range faults {
		list = append(list, answerable{statusFor(f), f.Code, f.Detail, own})
	}
	return list
}

// answerables lists every problem that an operation can answer: what the
// framework refuses, and the faults that the operation declares.
func answerables(op Op, takesBody bool) []answerable {
	statuses := []int{http.StatusUnprocessableEntity}
	if takesBody {
		statuses = slices.Sorted(maps.Keys(refusals))
	}
	list := answerableOf(false, errInternal, errUnavailable)
	for _, status := range statuses {
		list = append(list, answerable{status: status, code: refusals[status].code, detail: refusals[status].detail})
	}
	if op.Permission != auth.Public {
		list = append(list, answerableOf(false, errNoKey, apikey.ErrUnknown, errNoPermission)...)
	}
	switch {
	case op.Permission == auth.Public:
	case op.Acts.StaffOnly():
		list = append(list, answerableOf(true, errStaffOnly)...)
	default:
		list = append(list, answerableOf(false, org.ErrNotFound)...)
	}
	if op.Audit != "" {
		list = append(list, answerableOf(false, idempotency.ErrReused, idempotency.ErrInUse)...)
	}
	list = append(list, answerableOf(true, op.Faults...)...)
	slices.SortStableFunc(list, func(a, b answerable) int { return strings.Compare(a.code, b.code) })
	return slices.CompactFunc(list, func(a, b answerable) bool { return a.code == b.code })
}

// describeProblems says of every operation which statuses and codes its problems
// have. What several operations answer alike is described once.
func describeProblems(d *huma.OpenAPI) {
	problem := d.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	gateway := d.Components.Schemas.Schema(reflect.TypeFor[gatewayProblem](), true, "")
	d.Components.Responses = map[string]*huma.Response{}
	for _, o := range All() {
		op := o.Meta()
		at := operationAt(d, op)
		maps.DeleteFunc(at.Responses, func(status string, _ *huma.Response) bool { return !strings.HasPrefix(status, "2") })
		byStatus := map[int][]answerable{http.StatusTooManyRequests: nil}
		for _, a := range answerables(op, at.RequestBody != nil) {
			byStatus[a.status] = append(byStatus[a.status], a)
		}
		for status, problems := range byStatus {
			name := responseName(status, problems)
			if d.Components.Responses[name] == nil {
				schema := &huma.Schema{Ref: schemasPath + name + "Problem"}
				if len(problems) > 0 {
					d.Components.Schemas.Map()[name+"Problem"] = problemWith(problems, problem)
				}
				d.Components.Responses[name] = problemResponse(status, problems, schema, gateway)
			}
			at.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + name}
		}
	}
}

// responseName is made of the codes that not every operation has, so that equal
// responses have one name and others have another.
func responseName(status int, problems []answerable) (name string) {
	for _, p := range problems {
		if p.own {
			name += camel(p.code)
		}
	}
	if name == "" {
		return strings.ReplaceAll(http.StatusText(status), " ", "")
	}
	return name
}

func problemResponse(status int, problems []answerable, problem, gateway *huma.Schema) *huma.Response {
	out := &huma.Response{Content: map[string]*huma.MediaType{}, Headers: problemHeaders(status)}
	if len(problems) > 0 {
		var lines []string
		examples := map[string]*huma.Example{}
		for _, p := range problems {
			lines = append(lines, fmt.Sprintf("- `%s`: %s", p.code, p.detail))
			examples[p.code] = &huma.Example{Value: exampleProblem(p)}
		}
		out.Description = strings.Join(lines, "\n")
		out.Content[problemType] = &huma.MediaType{Examples: examples, Schema: problem}
	}
	if slices.Contains(fromGateway, status) {
		out.Description = strings.TrimPrefix(out.Description+"\n- The gateway answers this itself, as application/json.", "\n")
		out.Content["application/json"] = &huma.MediaType{Schema: gateway, Example: gatewayProblem{http.StatusText(status)}}
	}
	return out
}

// problemWith is a problem with one of the codes.
func problemWith(problems []answerable, problem *huma.Schema) *huma.Schema {
	var codes []any
	for _, p := range problems {
		codes = append(codes, p.code)
	}
	return &huma.Schema{AllOf: []*huma.Schema{problem, {Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"code": {Type: huma.TypeString, Enum: codes, Description: "What went wrong, stable: programs may rely on it."},
	}}}}
}

func exampleProblem(p answerable) *Problem {
	out := &Problem{
		Type: "/docs/errors#" + p.code, Title: http.StatusText(p.status), Status: p.status, Code: p.code, Detail: p.detail,
		RequestID: exampleRequestID,
	}
	if p.code == refusals[http.StatusUnprocessableEntity].code {
		out.Errors = []fault.Field{{Location: "body.url", Message: "must be an absolute URL with https"}}
	}
	return out
}
