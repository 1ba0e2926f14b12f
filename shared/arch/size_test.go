package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// The most that a reader is asked to hold in mind at once.
const (
	maxFileLines     = 500
	maxFunctionLines = 60
)

// Files and functions stay small. Tests are exempt: tables are long.
func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || ast.IsGenerated(s.ast) {
			continue
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
