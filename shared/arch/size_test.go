package arch

import (
	"go/ast"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// These sizes can still be understood at once.
const (
	maxFileLines     = 300
	maxFunctionLines = 60
	maxFiles         = 20
)

// Files, functions and packages stay small. Tests may be long, because of tables.
func TestSizes(t *testing.T) {
	files := map[string]int{}
	for _, s := range sources(t) {
		if s.isTest() || ast.IsGenerated(s.ast) {
			continue
		}
		if files[s.dir]++; files[s.dir] == maxFiles+1 {
			t.Errorf("%s has more than %d files: split it by subject", s.dir, maxFiles)
		}
		if n := strings.Count(s.text, "\n"); n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d are accepted: split it by subject", s.name, n, maxFileLines)
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.lines(f) > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d are accepted", s.name, f.Name.Name, s.lines(f), maxFunctionLines)
			}
		}
	}
}

// maxTextLength is the maximum length of a description in Go, in characters. A
// longer one is in Markdown.
const maxTextLength = 120

// Long descriptions do not stand between lines of code.
func TestLongDescriptionsStandInMarkdown(t *testing.T) {
	found := 0
	tooLong := func(s source, at ast.Node, text string) {
		found++
		if n := len([]rune(text)); n > maxTextLength {
			t.Errorf("%s:%d: a description has %d characters, at most %d are accepted: put it into the Markdown of the folder, and #heading here",
				s.name, s.fset.Position(at.Pos()).Line, n, maxTextLength)
		}
	}
	for _, s := range sources(t) {
		if s.isTest() || !within(s.dir, "shared/api") {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if n.Tag != nil {
					tag, _ := strconv.Unquote(n.Tag.Value)
					tooLong(s, n, reflect.StructTag(tag).Get("doc"))
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Description" {
					ast.Inspect(n.Value, func(n ast.Node) bool {
						if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
							tooLong(s, text, text.Value)
						}
						return true
					})
				}
			}
			return true
		})
	}
	if found < 200 {
		t.Errorf("only %d descriptions were found", found)
	}
}
