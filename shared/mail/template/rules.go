package template

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
	"time"

	"portico/shared/fault"
)

// Overrides are written by people who can see the effect only on samples. So what
// they may write is checked in the parse tree, in every branch: conditions, loops
// that do not contain others over the template's own lists, and a few functions that
// only format. Fields are looked up in the type of the data; methods are not called.

const (
	maxNodes = 2_000 // of one part
	maxDepth = 8     // of conditions in conditions, and of brackets
)

// formatting are the functions that an override may call, besides t, n and at.
var formatting = map[string]any{
	"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true, "and": true, "or": true, "not": true, "len": true,
}

// checked is one part of an override.
type checked struct {
	field     string
	text      string // as it was written
	template  *Template
	functions map[string]any
	nodes     int
	steps     budget
	stream    // the part in the form in which its markup is checked
}

// scope is what a place of a template sees.
type scope struct {
	dot       reflect.Type
	variables map[string]reflect.Type
	depth     int
	inRange   bool
}

var (
	pageType = reflect.TypeFor[page]()
	textType = reflect.TypeFor[string]()
	intType  = reflect.TypeFor[int]()
	boolType = reflect.TypeFor[bool]()
	timeType = reflect.TypeFor[time.Time]()
)

// check parses one part and walks through all of it.
func check(t *Template, functions map[string]any, field, text string) (c *checked, err error) {
	trees, err := parse.Parse("body", text, "", "", functions, formatting)
	if err != nil {
		return nil, refusal(field, err)
	}
	if len(trees) != 1 {
		return nil, fault.InvalidField(field, "must not define templates")
	}
	c = &checked{field: field, text: text, template: t, functions: functions}
	return c, c.list(trees["body"].Root, scope{dot: pageType, variables: map[string]reflect.Type{"$": pageType}})
}

// refuse returns the fault of a node.
func (c *checked) refuse(n parse.Node, format string, args ...any) error {
	return problemAt(c.field, lineOf(c.text, int(n.Position())), fmt.Sprintf(format, args...))
}

func (c *checked) list(l *parse.ListNode, s scope) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if c.nodes++; c.nodes > maxNodes {
			return c.refuse(n, "there are more than %d parts", maxNodes)
		}
		if err := c.node(n, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *checked) node(n parse.Node, s scope) error {
	c.steps.add(1, s.inRange)
	switch n := n.(type) {
	case *parse.TextNode:
		c.addText(string(n.Text), int(n.Pos))
		return nil
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 {
			return c.refuse(n, "%s sets a variable, which is not allowed", n)
		}
		t, err := c.pipe(n.Pipe, s)
		if err != nil {
			return err
		}
		if !printable(t) {
			return c.refuse(n, "%s is not a text or a number%s", n, hint(t))
		}
		c.addAction(n, n.String())
		return nil
	case *parse.IfNode:
		return c.branch(n, &n.BranchNode, s, s)
	case *parse.RangeNode:
		inside, err := c.rangeOver(n, s)
		if err != nil {
			return err
		}
		return c.branch(n, &n.BranchNode, inside, s)
	}
	return c.refuse(n, "%s is not allowed: only values, {{if}} and {{range}} are", shown(n))
}

// branch checks a condition or a loop.
func (c *checked) branch(n parse.Node, b *parse.BranchNode, inside, otherwise scope) error {
	if inside.depth++; inside.depth > maxDepth {
		return c.refuse(n, "there are more than %d conditions inside of each other", maxDepth)
	}
	otherwise.depth = inside.depth
	word := "if"
	if b.NodeType == parse.NodeRange {
		word = "range"
	} else if len(b.Pipe.Decl) > 0 {
		return c.refuse(n, "{{if %s}} sets a variable, which is not allowed", b.Pipe)
	} else if _, err := c.pipe(b.Pipe, inside); err != nil {
		return err
	}
	c.addControl(begins, b.Pos, "{{"+word+" "+b.Pipe.String()+"}}")
	if err := c.list(b.List, inside); err != nil {
		return err
	}
	if b.ElseList != nil {
		c.addControl(otherwiseMark, b.Pos, "{{else}}")
		if err := c.list(b.ElseList, otherwise); err != nil {
			return err
		}
	}
	c.addControl(ends, b.Pos, "{{end}}")
	return nil
}

// rangeOver returns what the inside of a loop sees.
func (c *checked) rangeOver(n *parse.RangeNode, s scope) (scope, error) {
	if s.inRange {
		return s, c.refuse(n, "a loop must not contain another one")
	}
	var path []string
	if cmds := n.Pipe.Cmds; len(cmds) == 1 && len(cmds[0].Args) == 1 {
		switch arg := cmds[0].Args[0].(type) {
		case *parse.FieldNode:
			path = arg.Ident
		case *parse.VariableNode:
			path = arg.Ident[1:]
		}
	}
	t, err := c.pipe(n.Pipe, s)
	if err != nil {
		return s, err
	}
	if len(path) == 0 || path[0] != "Data" || t.Kind() != reflect.Slice {
		return s, c.refuse(n, "{{range %s}}: only the lists of .Data can be repeated", n.Pipe)
	}
	inside := scope{dot: t.Elem(), variables: map[string]reflect.Type{"$": pageType}, depth: s.depth, inRange: true}
	for i, v := range n.Pipe.Decl {
		declared := t.Elem()
		if i == 0 && len(n.Pipe.Decl) == 2 {
			declared = intType
		}
		inside.variables[v.Ident[0]] = declared
	}
	c.steps.loop(path)
	return inside, nil
}

// pipe returns the type of a value.
func (c *checked) pipe(p *parse.PipeNode, s scope) (reflect.Type, error) {
	if len(p.Cmds) != 1 {
		return nil, c.refuse(p, "%s: write {{f .Data.X}} instead of {{.Data.X | f}}", p)
	}
	args := p.Cmds[0].Args
	if f, ok := args[0].(*parse.IdentifierNode); ok {
		return c.call(f, args[1:], s)
	}
	if len(args) > 1 {
		return nil, c.refuse(p, "%s is no function", args[0])
	}
	return c.argument(args[0], s)
}

func (c *checked) argument(n parse.Node, s scope) (reflect.Type, error) {
	c.steps.add(1, s.inRange)
	switch n := n.(type) {
	case *parse.DotNode:
		return s.dot, nil
	case *parse.FieldNode:
		return c.fields(n, s.dot, n.Ident)
	case *parse.VariableNode:
		return c.fields(n, s.variables[n.Ident[0]], n.Ident[1:])
	case *parse.StringNode:
		return textType, nil
	case *parse.BoolNode:
		return boolType, nil
	case *parse.NumberNode:
		if n.IsInt {
			return intType, nil
		}
	case *parse.PipeNode:
		if s.depth++; s.depth > 2*maxDepth {
			return nil, c.refuse(n, "there are too many brackets inside of each other")
		}
		return c.pipe(n, s)
	}
	return nil, c.refuse(n, "%s is not allowed here", n)
}

// fields follows fields from a type.
func (c *checked) fields(n parse.Node, t reflect.Type, path []string) (reflect.Type, error) {
	for _, part := range path {
		if t == timeType && part == "IsZero" { // the only method: there is no other way to ask
			t = boolType
			continue
		}
		if t == nil || t.Kind() != reflect.Struct || t == timeType {
			return nil, c.refuse(n, "%s: there is no %s", n, part)
		}
		if t == pageType && part == "Data" {
			t = reflect.TypeOf(c.template.Samples[0].Data)
			continue
		}
		f, ok := t.FieldByName(part)
		if !ok || !f.IsExported() || f.Anonymous {
			return nil, c.refuse(n, "%s: there is no %s", n, part)
		}
		t = f.Type
	}
	if t == nil {
		return nil, c.refuse(n, "%s is not known here", n)
	}
	return t, nil
}

func printable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

func hint(t reflect.Type) string {
	switch {
	case t == timeType:
		return ": write {{at …}} around the time"
	case t.Kind() == reflect.Slice:
		return ": write {{range …}} around the list"
	}
	return ""
}

func shown(n parse.Node) string {
	text, _, _ := strings.Cut(n.String(), "}}")
	return text + "}}"
}

// problemAt returns the fault of a line.
func problemAt(field string, line int, message string) error {
	return fault.InvalidField(field, fmt.Sprintf("line %d: %s", line, message))
}

func lineOf(text string, at int) int {
	return 1 + strings.Count(text[:min(max(at, 0), len(text))], "\n")
}

var parserError = regexp.MustCompile(`(?s)^(?:html/)?template: ?(?:[a-z]+:(\d+):(?:\d+:)? ?)?(.*)$`)

// refusal turns an error of Go's parser into a fault.
func refusal(field string, err error) error {
	m := parserError.FindStringSubmatch(err.Error())
	if m == nil {
		return fault.InvalidField(field, err.Error())
	}
	line, atoi := strconv.Atoi(m[1])
	if atoi != nil {
		return fault.InvalidField(field, m[2])
	}
	return problemAt(field, line, m[2])
}
