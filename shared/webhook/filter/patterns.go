package filter

import (
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"portico/shared/pattern"
)

// checkPatterns checks the size of a filter's regular expressions before the
// library compiles them, which it does while it checks types. Other errors of the
// filter are reported by the library.
func checkPatterns(filter string) *file.Error {
	tree, err := parser.Parse(filter)
	if err != nil {
		return nil
	}
	found := &patterns{}
	ast.Walk(&tree.Node, found)
	return found.err
}

// patterns adds up the instructions of a filter's regular expressions: matching
// takes that many steps per character of data.
type patterns struct {
	refusal
	instructions int
}

// Visit checks the right operand of `matches`.
func (p *patterns) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || n.Operator != "matches" {
		return
	}
	text, ok := n.Right.(*ast.StringNode)
	if !ok {
		p.refuse(n.Right, "the pattern after matches must be a text in quotes")
		return
	}
	tree, err := syntax.Parse(text.Value, syntax.Perl)
	if err != nil {
		return // the library reports this error
	}
	if p.instructions += pattern.Instructions(tree, maxInstructions); p.instructions > maxInstructions {
		p.refuse(n.Right, "the patterns are too large: shorten them, or repeat less in {}")
	}
}
