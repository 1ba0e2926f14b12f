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

	"portico/shared/api/edge"
)

// gatewayProblem is the body that API Gateway itself answers, when a request
// does not reach a function or the function does not answer in time.
type gatewayProblem struct {
	Message string `json:"message" doc:"The HTTP status in words." example:"Too Many Requests"`
}

// fromGateway are the statuses that API Gateway answers itself.
var fromGateway = []int{
	http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// describeProblems adds to every operation the statuses and codes of its
// problems. Responses that operations share are described once.
func describeProblems(d *huma.OpenAPI) {
	problem := d.Components.Schemas.Schema(reflect.TypeFor[edge.Problem](), true, "")
	gateway := d.Components.Schemas.Schema(reflect.TypeFor[gatewayProblem](), true, "")
	d.Components.Responses = map[string]*huma.Response{}
	for _, o := range All() {
		op := o.Meta()
		at := edge.Described(d, op)
		maps.DeleteFunc(at.Responses, func(status string, _ *huma.Response) bool { return !strings.HasPrefix(status, "2") })
		byStatus := map[int][]edge.Answer{http.StatusTooManyRequests: nil}
		for _, a := range edge.Answers(op, at.RequestBody != nil) {
			byStatus[a.Status] = append(byStatus[a.Status], a)
		}
		for status, problems := range byStatus {
			name := responseName(status, problems)
			if d.Components.Responses[name] == nil {
				schema := &huma.Schema{Ref: edge.SchemasPath + name + "Problem"}
				if len(problems) > 0 {
					d.Components.Schemas.Map()[name+"Problem"] = problemWith(problems, problem)
				}
				d.Components.Responses[name] = problemResponse(status, problems, schema, gateway)
			}
			at.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + name}
		}
	}
}

// responseName is made of the codes that only some operations have, so that two
// responses have the same name exactly when they are equal. Operations on oneself know no
// Idempotency-Key, so their conflicts have fewer codes.
func responseName(status int, problems []edge.Answer) (name string) {
	for _, p := range problems {
		if p.Own {
			name += camel(p.Code)
		}
	}
	switch {
	case name == "":
		return strings.ReplaceAll(http.StatusText(status), " ", "")
	case status == http.StatusConflict && !slices.ContainsFunc(problems, func(p edge.Answer) bool { return !p.Own }):
		return "My" + name
	}
	return name
}

func problemResponse(status int, problems []edge.Answer, problem, gateway *huma.Schema) *huma.Response {
	out := &huma.Response{Content: map[string]*huma.MediaType{}, Headers: problemHeaders(status)}
	if len(problems) > 0 {
		var lines []string
		examples := map[string]*huma.Example{}
		for _, p := range problems {
			lines = append(lines, fmt.Sprintf("- `%s`: %s", p.Code, p.Detail))
			examples[p.Code] = &huma.Example{Value: exampleProblem(p)}
		}
		out.Description = strings.Join(lines, "\n")
		out.Content[edge.ProblemType] = &huma.MediaType{Examples: examples, Schema: problem}
	}
	if slices.Contains(fromGateway, status) {
		out.Description = strings.TrimPrefix(out.Description+"\n- The gateway answers this itself, as application/json.", "\n")
		out.Content["application/json"] = &huma.MediaType{Schema: gateway, Example: gatewayProblem{http.StatusText(status)}}
	}
	return out
}

// problemWith returns the schema of a problem with one of these codes.
func problemWith(problems []edge.Answer, problem *huma.Schema) *huma.Schema {
	var codes []any
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	return &huma.Schema{AllOf: []*huma.Schema{problem, {Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"code": {Type: huma.TypeString, Enum: codes, Description: "The kind of error. Codes are stable: programs may rely on them."},
	}}}}
}

func exampleProblem(p edge.Answer) *edge.Problem {
	out := &edge.Problem{
		Type: "/docs/errors#" + p.Code, Title: http.StatusText(p.Status), Status: p.Status, Code: p.Code, Detail: p.Detail,
		RequestID: exampleRequestID,
	}
	if p.Code == "rate_limited" {
		out.Type, out.ViolatedPolicies = edge.QuotaExceeded, []string{"requests"}
	}
	if p.Code == "invalid_request" {
		out.Errors = []edge.Field{{Location: "body.url", Message: "must be an absolute URL with https"}}
	}
	return out
}
