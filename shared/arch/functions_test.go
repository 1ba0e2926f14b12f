package arch

import (
	"go/ast"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/api"
)

// mains returns the main.go of each function, by folder.
func mains(t *testing.T) map[string]source {
	t.Helper()
	found := map[string]source{}
	for _, s := range sources(t) {
		if within(s.dir, "functions") && path.Base(s.name) == "main.go" {
			found[s.dir] = s
		}
	}
	return found
}

// Each folder functions/<kind>/<name> is one command, and a comment describes it.
func TestEveryFunctionIsACommand(t *testing.T) {
	folders, err := fs.Glob(repository, "functions/*/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no functions found (%v)", err)
	}
	found := mains(t)
	for _, folder := range folders {
		main, ok := found[folder]
		if !ok {
			t.Errorf("%s has no main.go", folder)
			continue
		}
		if main.ast.Name.Name != "main" {
			t.Errorf("%s is package %s", main.name, main.ast.Name)
		}
		if want := "Command " + path.Base(folder) + " "; !strings.HasPrefix(main.ast.Doc.Text(), want) {
			t.Errorf("%s: its package comment does not start with %q", main.name, want)
		}
	}
}

// A function serves exactly the operations whose declarations name it.
func TestEveryOperationIsServed(t *testing.T) {
	want := map[string][]string{"functions/api/system": {"system.Elsewhere", "system.Operations"}} // one call returns all of them
	declared := declarations(t)
	for _, o := range api.All() {
		if op := o.Meta(); op.Function != "system" {
			folder := "functions/api/" + op.Function
			want[folder] = append(want[folder], declared[op.ID].variable)
		}
	}
	got := map[string][]string{}
	for folder, main := range mains(t) {
		if within(folder, "functions/api") {
			got[folder] = selected(main)
		}
	}
	for folder := range want {
		slices.Sort(want[folder])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations by function (-declared +served by main.go):\n%s", diff)
	}
}

// selected returns the names that a file uses from the packages of the API, sorted.
func selected(s source) []string {
	areas := map[string]bool{}
	for _, imported := range s.imports() {
		if within(imported, module+"shared/api") && path.Base(imported) != "reference" {
			areas[path.Base(imported)] = true
		}
	}
	var names []string
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && areas[x.Name] {
				names = append(names, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names)
}
