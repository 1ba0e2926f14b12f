package webhook

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// The limits of a filter. With the rules below they bound its cost by its own
// size times the size of the data.
const (
	maxFilter       = 1024    // characters
	maxFilterNodes  = 128     // of its syntax tree
	maxInstructions = 128     // of its regular expressions, compiled
	filterMemory    = 100_000 // elements; no filter allocates any, so a second wall
)

// noFilter begins what compileFilter says.
const noFilter = "must be an expression over type and data that is true or false, such as data.total > 100"

const noName = "filters have no %s: they have type and data, and the functions len, lower, upper, trim, any, all and none"

// compileFilter returns the program of a filter, or an error for its author.
// The library's optimizer stays off, so that what runs is what the rules saw.
func compileFilter(filter string) (*vm.Program, error) {
	if !isText(filter, maxFilter) {
		return nil, fmt.Errorf("must have at most %d characters, none of them U+0000", maxFilter)
	}
	if err := checkPatterns(filter); err != nil {
		return nil, wrongFilter(filter, err)
	}
	rules := &filterRules{}
	program, err := expr.Compile(filter, expr.Env(filterEnv{}), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(maxFilterNodes), expr.Patch(rules))
	if rules.err != nil {
		return nil, wrongFilter(filter, rules.err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s", noFilter, oneLine(err))
	}
	return program, nil
}

func wrongFilter(filter string, err *file.Error) error {
	return fmt.Errorf("%s: %s", noFilter, oneLine(err.Bind(file.NewSource(filter))))
}

// oneLine returns what is wrong and where, in at most 200 characters and the place.
func oneLine(err error) string {
	message, place := err.Error(), ""
	if at := (*file.Error)(nil); errors.As(err, &at) {
		message, place = at.Message, fmt.Sprintf(" (line %d, column %d)", at.Line, at.Column+1)
	}
	if text := []rune(message); len(text) > 200 {
		message = string(text[:200]) + "…"
	}
	return strings.Join(strings.Fields(message), " ") + place
}

// filterRules finds the first node that a filter may not have, and patches two
// kinds. Walking, the library visits children before their parents.
type filterRules struct{ refusal }

// refusal is the first thing that is wrong with a filter.
type refusal struct{ err *file.Error }

func (r *refusal) refuse(node ast.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// Visit allows what is listed and nothing else.
func (r *filterRules) Visit(node *ast.Node) {
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
		r.refuse(n, "a filter is one expression, without let and ;")
	default:
		r.refuse(n, "filters cannot use %s", n)
	}
}

// binary bounds what an operator makes of its operands. `a + b` becomes
// `a - -b`, which adds numbers and fails on texts: those would grow.
func (r *filterRules) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		r.refuse(n, "filters have no ranges")
	case "+":
		minus := ast.Node(&ast.UnaryNode{Operator: "-", Node: n.Right})
		minus.SetLocation(n.Right.Location())
		ast.Patch(node, &ast.BinaryNode{Operator: "-", Left: n.Left, Right: minus})
	}
}

// list makes a constant of a list of literals: it is built once, not for each
// item of the data. A list of data could hold the same data many times.
func (r *filterRules) list(node *ast.Node, n *ast.ArrayNode) {
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
			r.refuse(element, "a list holds texts, numbers that are not negative, true, false and nil only")
		}
	}
	ast.Patch(node, &ast.ConstantNode{Value: values})
}

// builtin allows functions that take linear time, and the loops that stop early
// and keep nothing.
func (r *filterRules) builtin(n *ast.BuiltinNode) {
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

// inPredicate refuses what would cost more than the item at hand, for each item.
type inPredicate struct{ rules *filterRules }

// Visit looks for loops and for the whole of the data.
func (p inPredicate) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		p.rules.refuse(n, "any, all and none cannot stand inside one another")
	case *ast.IdentifierNode:
		if n.Value == "data" {
			p.rules.refuse(n, "inside any, all and none there is no data, only the item: # or .member")
		}
	}
}
