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

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

const SchemasPath = "#/components/schemas/"

// keyed is the requirement of an API key.
var keyed = []map[string][]string{{"api_key": {}}}

// newDescription is the description before any operation is registered: what
// huma needs of it to check requests.
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

// SchemaName names the schema of a type as clients are to call it: List[T] is
// TList, the parts of our inputs and outputs are requests and replies.
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

// checkDescribed returns what an operation's input lacks of its path, and what of
// its query would be ignored.
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

// Described is how an operation is described.
func Described(d *huma.OpenAPI, op Op) *huma.Operation {
	item := d.Paths[op.Path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
	}[op.Method]
}

// securityOf is empty, and not left out, for an operation that needs no key.
func securityOf(op Op) []map[string][]string {
	if op.Permission == auth.Public {
		return []map[string][]string{}
	}
	return keyed
}
