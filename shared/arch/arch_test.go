// Package arch has no code: its tests are the rules between packages that the
// compiler does not know.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// repository is the module's root.
var repository = os.DirFS("../..")

// source is one Go file; dir and name are slash-separated from the root.
type source struct {
	dir, name string
	text      string
	ast       *ast.File
	fset      *token.FileSet
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var list []string
	for _, spec := range s.ast.Imports {
		list = append(list, strings.Trim(spec.Path.Value, `"`))
	}
	return list
}

// lines returns how many lines a node takes.
func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// sources returns every Go file of the module except those in testdata.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := fs.WalkDir(repository, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (isForeign(d.Name()) || isOtherModule(name)) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(repository, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		list = append(list, source{dir: path.Dir(name), name: name, text: string(text), ast: file, fset: fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d Go files found: the walk is broken", len(list))
	}
	return list
}

// isOtherModule reports whether a folder is the root of another Go module: the
// generated clients' imports are not ours.
func isOtherModule(folder string) bool {
	_, err := fs.Stat(repository, path.Join(folder, "go.mod"))
	return folder != "." && err == nil
}

func isForeign(dir string) bool {
	return dir != "." && strings.HasPrefix(dir, ".") || dir == "node_modules" || dir == "testdata"
}
