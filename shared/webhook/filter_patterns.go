package webhook

import (
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// checkPatterns bounds the regular expressions of a filter before the library
// compiles them, which it does while it checks types. What else is wrong with
// the filter it leaves to the library to say.
func checkPatterns(filter string) *file.Error {
	tree, err := parser.Parse(filter)
	if err != nil {
		return nil
	}
	found := &patterns{}
	ast.Walk(&tree.Node, found)
	return found.err
}

// patterns adds up the instructions of a filter's regular expressions: they are
// the steps per character of data.
type patterns struct {
	refusal
	instructions int
}

// Visit looks at what stands after `matches`.
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
		return // the library says what is wrong
	}
	if p.instructions += instructions(tree); p.instructions > maxInstructions {
		p.refuse(n.Right, "the patterns are too large: shorten them, or repeat less in {}")
	}
}

// instructions returns how many a pattern has when compiled. One whose
// repetitions alone are too many is not compiled.
func instructions(tree *syntax.Regexp) int {
	if n := parts(tree); n > maxInstructions {
		return n
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return maxInstructions + 1
	}
	return len(program.Inst)
}

// parts counts what a pattern consists of, as often as {} repeats it. It stops
// counting where that is too much.
func parts(tree *syntax.Regexp) int {
	n := 0
	for _, sub := range tree.Sub {
		n = min(n+parts(sub), maxInstructions+1)
	}
	switch {
	case tree.Op == syntax.OpLiteral:
		n = len(tree.Rune)
	case len(tree.Sub) == 0:
		n = 1
	case tree.Op == syntax.OpRepeat:
		n = min(n*max(tree.Min, tree.Max), maxInstructions+1)
	}
	return n
}
