package arch

import (
	"go/ast"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var codeRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\|")

// docs/errors.md has every code that a problem can have. make generate writes it,
// without the codes that have no meaning. Faults of a mail service end a job, so no
// problem has their codes.
func TestEveryCodeIsExplained(t *testing.T) {
	text, err := fs.ReadFile(repository, "docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained, found []string
	for _, row := range codeRow.FindAllStringSubmatch(string(text), -1) {
		explained = append(explained, row[1])
	}
	for _, s := range sources(t) {
		if strings.HasPrefix(s.dir, "shared/") && !s.isTest() && s.dir != "shared/testkit" && s.dir != "shared/mail/transport" {
			found = append(found, codesOf(s.ast)...)
		}
	}
	slices.Sort(explained)
	slices.Sort(found)
	if found = slices.Compact(found); !slices.Equal(found, explained) {
		t.Errorf("codes of the code:\n%v\nof docs/errors.md:\n%v\ngive each a meaning with fault.Error.Means and run make generate", found, explained)
	}
	if len(found) < 40 {
		t.Errorf("only %d codes found", len(found))
	}
}

var codeForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// codesOf returns the codes of the faults and problems that a file makes:
// fault.New(kind, code, …), problem(ctx, status, code, …), fields named Code, and
// the table for the errors of huma.
func codesOf(file *ast.File) (codes []string) {
	add := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok {
			if code, err := strconv.Unquote(literal.Value); err == nil && codeForm.MatchString(code) {
				codes = append(codes, code)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := called(n); {
			case (name == "fault.New" || name == "New" && file.Name.Name == "fault") && len(n.Args) > 1:
				add(n.Args[1])
			case name == "problem" && len(n.Args) > 2:
				add(n.Args[2])
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
				add(n.Value)
			}
		case *ast.ValueSpec:
			if len(n.Names) == 1 && n.Names[0].Name == "refusals" && len(n.Values) == 1 {
				for _, row := range n.Values[0].(*ast.CompositeLit).Elts {
					add(row.(*ast.KeyValueExpr).Value.(*ast.CompositeLit).Elts[0])
				}
			}
		}
		return true
	})
	return codes
}

// called names the function of a call, with its package.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if pkg, ok := f.X.(*ast.Ident); ok {
			return pkg.Name + "." + f.Sel.Name
		}
	}
	return ""
}
