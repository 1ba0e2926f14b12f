package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// op is one route of the HTTP API.
type op struct {
	ID       string // operationId
	Method   string // upper case, or anyMethod
	Path     string // "/v1/events/{id}"
	Function string // folder under functions/api: "webhook-endpoints"
}

// anyMethod is a route's method if its function answers all.
const anyMethod = "x-amazon-apigateway-any-method"

// fallback is the function that answers requests without a route.
const fallback = "system"

const header = `# Generated from the operation registry by "go run ./infra/apigen". Do not edit: run "make generate".
openapi: 3.0.1
info:
  title: {Ref: "AWS::StackName"}
  version: "1"
paths:
`

// The long form of Sub, because AWS::Include does not support the short one. Routes call the alias, so that they follow
// canary deployments.
const integration = `    %s:
      operationId: %s
      responses: {}
%s      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        payloadFormatVersion: "2.0"
        credentials: {"Fn::GetAtt": [HttpApiRole, Arn]}
        uri: {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${%s.Alias}/invocations"}
`

var parameter = regexp.MustCompile(`\{(\w+)\+?\}`)

// render returns the definition, with sorted paths and $default (our own 404) last. It refuses two operations on one
// route, and a route that API Gateway would otherwise refuse at deployment.
func render(ops []op) ([]byte, error) {
	ops = slices.SortedFunc(slices.Values(ops), func(a, b op) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	out := bytes.NewBufferString(header)
	path := ""
	for i, o := range ops {
		if i > 0 && ops[i-1].Path == o.Path && ops[i-1].Method == o.Method {
			return nil, fmt.Errorf("%s and %s both claim %s %s: give one of them another path", ops[i-1].ID, o.ID, o.Method, o.Path)
		}
		if o.ID == "" || o.Function == "" || o.Method == "" || !strings.HasPrefix(o.Path, "/") {
			return nil, fmt.Errorf("operation %+v lacks an id, a method, a function or a path that begins with /", o)
		}
		if o.Path != path {
			path = o.Path
			fmt.Fprintf(out, "  %q:\n", path)
		}
		fmt.Fprintf(out, integration, strings.ToLower(o.Method), o.ID, parameters(o.Path), logicalID(o.Function))
	}
	out.WriteString("  /$default:\n")
	fmt.Fprintf(out, integration, anyMethod, "notFound", "      isDefaultRoute: true\n", logicalID(fallback))
	return out.Bytes(), nil
}

const invokeHeader = `# Functions that API Gateway may invoke. Generated from the operation registry by "go run ./infra/apigen invoke". Do not edit: run
# "make generate".
Version: "2012-10-17"
Statement:
  - Effect: Allow
    Action: lambda:InvokeFunction
    Resource:
`

// renderInvoke returns the policy of the role with which API Gateway calls functions: the aliases of the functions that
// serve an operation, and of the one behind $default.
func renderInvoke(ops []op) []byte {
	functions := []string{fallback}
	for _, o := range ops {
		functions = append(functions, o.Function)
	}
	slices.Sort(functions)
	out := bytes.NewBufferString(invokeHeader)
	for _, function := range slices.Compact(functions) {
		fmt.Fprintf(out, "      - {Ref: %s.Alias}\n", logicalID(function))
	}
	return out.Bytes()
}

func parameters(path string) string {
	found := parameter.FindAllStringSubmatch(path, -1)
	if len(found) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("      parameters:\n")
	for _, name := range found {
		fmt.Fprintf(&out, "        - {name: %s, in: path, required: true, schema: {type: string}}\n", name[1])
	}
	return out.String()
}

// logicalID names the function of template.yaml: webhook-endpoints → WebhookEndpointsFunction.
func logicalID(function string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(function, "-") {
		if word != "" {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String() + "Function"
}
