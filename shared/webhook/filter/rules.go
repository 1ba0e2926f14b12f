package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// The limits of a filter. Together with the rules below they bound its cost: the
// size of the filter times the size of the data.
const (
	maxLength       = 1024    // characters
	maxNodes        = 128     // of its syntax tree
	maxInstructions = 128     // of its regular expressions, compiled
	maxMemory       = 100_000 // elements; the rules allow no allocation, so this is a second safeguard
)

// noFilter is the start of compile's error messages.
const noFilter = "must be an expression with type and data that is true or false, such as data.total > 100"

const noName = "filters have no %s: they have type and data, and the functions len, lower, upper, trim, any, all and none"

// Check refuses a filter that does not compile or exceeds the limits. The error is
// for the customer who wrote it.
func Check(filter string) error {
	if filter == "" {
		return nil
	}
	_, err := compile(filter)
	return err
}

// compile returns the compiled filter, or an error for the customer who wrote it.
// The library's optimizer is off, so the program that runs is the one that the
// rules have checked.
func compile(filter string) (*vm.Program, error) {
	if len([]rune(filter)) > maxLength || strings.ContainsRune(filter, 0) {
		return nil, fmt.Errorf("must have at most %d characters, none of them U+0000", maxLength)
	}
	if err := checkPatterns(filter); err != nil {
		return nil, wrong(filter, err)
	}
	r := &rules{}
	program, err := expr.Compile(filter, expr.Env(env{}), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(maxNodes), expr.Patch(r))
	if r.err != nil {
		return nil, wrong(filter, r.err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s", noFilter, oneLine(err))
	}
	return program, nil
}

func wrong(filter string, err *file.Error) error {
	return fmt.Errorf("%s: %s", noFilter, oneLine(err.Bind(file.NewSource(filter))))
}

// oneLine returns an error's message, at most 200 characters of it, and its
// position.
func oneLine(err error) string {
	message, position := err.Error(), ""
	if at := (*file.Error)(nil); errors.As(err, &at) {
		message, position = at.Message, fmt.Sprintf(" (line %d, column %d)", at.Line, at.Column+1)
	}
	if text := []rune(message); len(text) > 200 {
		message = string(text[:200]) + "…"
	}
	return strings.Join(strings.Fields(message), " ") + position
}

// rules finds the first node that is not allowed, and replaces nodes of two
// kinds. The library visits children before their parents.
type rules struct{ refusal }

// refusal is the first thing that is wrong with a filter.
type refusal struct{ err *file.Error }

func (r *refusal) refuse(node ast.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// Visit refuses every kind of node that is not listed.
func (r *rules) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.ConstantNode,
		*ast.UnaryNode, *ast.ChainNode, *ast.MemberNode, *ast.SliceNode, *ast.ConditionalNode, *ast.PointerNode:
	case *ast.IdentifierNode:
		if n.Value != "type" && n.Value != "data" {
			r.refuse(n, noName, n.Value)
		}
	case *ast.BinaryNode:
		r.binary(node, n)
	case *ast.ArrayNode:
		r.list(node, n)
	case *ast.BuiltinNode:
		r.builtin(n)
	case *ast.PredicateNode:
		ast.Walk(&n.Node, inPredicate{r})
	case *ast.CallNode:
		r.refuse(n, noName, n.Callee)
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		r.refuse(n, "a filter is a single expression, without let and ;")
	default:
		r.refuse(n, "filters cannot use %s", n)
	}
}

// binary keeps the result of an operator small. `a + b` becomes `a - -b`, which
// adds numbers and fails on texts, because joined texts would grow.
func (r *rules) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		r.refuse(n, "filters have no ranges")
	case "+":
		minus := ast.Node(&ast.UnaryNode{Operator: "-", Node: n.Right})
		minus.SetLocation(n.Right.Location())
		ast.Patch(node, &ast.BinaryNode{Operator: "-", Left: n.Left, Right: minus})
	}
}

// list turns a list of literals into a constant, so that it is built once and not
// for each item of the data. A list may not contain data, because it could
// contain the same data many times.
func (r *rules) list(node *ast.Node, n *ast.ArrayNode) {
	values := make([]any, len(n.Nodes))
	for i, element := range n.Nodes {
		switch e := element.(type) {
		case *ast.StringNode:
			values[i] = e.Value
		case *ast.IntegerNode:
			values[i] = e.Value
		case *ast.FloatNode:
			values[i] = e.Value
		case *ast.BoolNode:
			values[i] = e.Value
		case *ast.NilNode:
		default:
			r.refuse(element, "a list may contain only texts, numbers that are not negative, true, false and nil")
		}
	}
	ast.Patch(node, &ast.ConstantNode{Value: values})
}

// builtin allows functions that take linear time, and the loops that stop early
// and store nothing.
func (r *rules) builtin(n *ast.BuiltinNode) {
	switch n.Name {
	case "len", "lower", "upper", "any", "all", "none":
	case "trim":
		if len(n.Arguments) > 1 {
			r.refuse(n, "trim takes one text and removes the spaces around it")
		}
	default:
		r.refuse(n, noName, n.Name)
	}
}

// inPredicate refuses what would cost, for each item, more than the size of that
// item.
type inPredicate struct{ rules *rules }

// Visit refuses nested loops and the variable data.
func (p inPredicate) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		p.rules.refuse(n, "any, all and none cannot be nested")
	case *ast.IdentifierNode:
		if n.Value == "data" {
			p.rules.refuse(n, "inside any, all and none use only the item, as # or .member, not data")
		}
	}
}
