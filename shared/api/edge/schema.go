package edge

import (
	"embed"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/auth"
)

// Texts are descriptions, each below a heading. Go code refers to a description
// by its heading.
//
//go:embed *.md
var Texts embed.FS

const SchemasPath = "#/components/schemas/"

// keyed says that an operation needs an API key.
var keyed = []map[string][]string{{"api_key": {}}}

// newDescription returns the OpenAPI document before any operation is registered,
// with the parts that huma needs to check requests.
func newDescription() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI:  "3.1.0",
		Security: keyed,
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry(SchemasPath, SchemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"api_key": {Type: "http", Scheme: "bearer", Description: "An API key: `ptc_` and 36 characters."},
			},
		},
	}
}

// SchemaName returns the name of a type's schema for clients: List[T] becomes
// TList, and the bodies of inputs and outputs are called requests and replies.
func SchemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for _, suffix := range []struct{ ours, theirs string }{{"InputBody", "Request"}, {"OutputBody", "Reply"}, {"Body", ""}} {
		if found, ok := strings.CutSuffix(name, suffix.ours); ok {
			name = found + suffix.theirs
			break
		}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if strings.HasPrefix(t.Name(), "List[") {
		return strings.TrimPrefix(name, "List") + "List"
	}
	return name
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// checkDescribed returns an error if an operation's input lacks a parameter of
// its path, or has a query parameter that would be ignored.
func checkDescribed(d *huma.OpenAPI, op Op) error {
	for _, p := range Described(d, op).Parameters {
		if op.IgnoresQuery && p.In == "query" {
			return fmt.Errorf("operation %s ignores the query and has the parameter %s there", op.ID, p.Name)
		}
	}
	for _, found := range pathParameter.FindAllStringSubmatch(op.Path, -1) {
		if !slices.ContainsFunc(Described(d, op).Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == found[1] }) {
			return fmt.Errorf("operation %s: its path has {%s} and its input has not: huma fills exported fields only, of exported embedded structs", op.ID, found[1])
		}
	}
	return nil
}

// Described returns the OpenAPI description of an operation.
func Described(d *huma.OpenAPI, op Op) *huma.Operation {
	item := d.Paths[op.Path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
	}[op.Method]
}

// securityOf returns an empty list, not nil, for an operation that needs no key.
func securityOf(op Op) []map[string][]string {
	if op.Permission == auth.Public {
		return []map[string][]string{}
	}
	return keyed
}
