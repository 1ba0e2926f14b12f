package arch

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
	"testing"

	"portico/shared/api"
	"portico/shared/api/edge"
)

// declaration is where an operation is declared.
type declaration struct {
	variable string // with its package: "webhooks.CreateEndpoint"
	file     string
}

// declarations returns the declarations by the operation's id. A declaration is a
// variable of an area whose value is an edge.Op with an ID.
func declarations(t *testing.T) map[string]declaration {
	t.Helper()
	found := map[string]declaration{}
	for _, s := range sources(t) {
		if s.isTest() || path.Dir(s.dir) != "shared/api" {
			continue
		}
		for _, d := range s.ast.Decls {
			variables, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range variables.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || len(v.Values) != 1 {
					continue
				}
				if id := operationID(v.Values[0]); id != "" {
					found[id] = declaration{variable: path.Base(s.dir) + "." + v.Names[0].Name, file: s.name}
				}
			}
		}
	}
	return found
}

// operationID returns the ID of the edge.Op in an expression.
func operationID(e ast.Expr) (id string) {
	ast.Inspect(e, func(n ast.Node) bool {
		op, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if t, ok := op.Type.(*ast.SelectorExpr); !ok || t.Sel.Name != "Op" {
			return true
		}
		for _, member := range op.Elts {
			pair := member.(*ast.KeyValueExpr)
			if value, ok := pair.Value.(*ast.BasicLit); ok && pair.Key.(*ast.Ident).Name == "ID" {
				id, _ = strconv.Unquote(value.Value)
			}
		}
		return false
	})
	return id
}

// An operation of /v1/<noun>/… is declared in shared/api/<tag>/<noun>.go, or in
// <noun>_<subject>.go beside it. If the noun's first word is already in the
// folder's name, the file's name omits it: /v1/webhook-endpoints is in
// webhooks/endpoints.go. Operations about the API itself are in shared/api/system.go.
func TestOperationsAreWhereOneLooks(t *testing.T) {
	declared := declarations(t)
	checked := 0
	for _, o := range api.All() {
		op := o.Meta()
		if op.Tag == "System" {
			continue
		}
		checked++
		want := fileOf(op)
		got := declared[op.ID].file
		if got != want+".go" && !strings.HasPrefix(got, want+"_") {
			t.Errorf("%s (%s %s, %s) is declared in %q, not in %s.go or %s_….go", op.ID, op.Method, op.Path, op.Tag, got, want, want)
		}
	}
	if checked < 40 || len(declared) != checked {
		t.Errorf("%d operations are registered, %d declared", checked, len(declared))
	}
}

// fileOf returns the file that should declare an operation, without .go.
func fileOf(op edge.Op) string {
	folder := strings.ToLower(op.Tag)
	noun, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/v1/"), "/")
	words := strings.Split(noun, "-")
	if len(words) > 1 && strings.TrimSuffix(folder, "s") == words[0] {
		words = words[1:]
	}
	return "shared/api/" + folder + "/" + strings.Join(words, "_")
}

// An area imports the frame and no other area, and the frame imports no area. So a
// function links only the operations of its areas.
func TestAreasKnowOnlyTheFrame(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || path.Dir(s.dir) != "shared/api" || s.dir == "shared/api/apitest" || s.dir == "shared/api/reference" {
			continue
		}
		for _, imported := range s.imports() {
			if within(imported, module+"shared/api") && (s.dir == "shared/api/edge" || imported != module+"shared/api/edge") {
				t.Errorf("%s imports %s", s.name, imported)
			}
		}
	}
	for _, s := range sources(t) {
		if !s.isTest() && within(s.dir, "shared/lambdahost") {
			for _, imported := range s.imports() {
				if within(imported, module+"shared/api") && imported != module+"shared/api/edge" {
					t.Errorf("%s imports %s: that links its operations into every function", s.name, imported)
				}
			}
		}
	}
}
