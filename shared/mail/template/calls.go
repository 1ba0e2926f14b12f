package template

import (
	"reflect"
	"strings"
	"text/template/parse"
)

// call returns the type of a function's result.
func (c *checked) call(f *parse.IdentifierNode, args []parse.Node, s scope) (reflect.Type, error) {
	switch f.Ident {
	case "t", "n":
		return textType, c.message(f, args, s)
	}
	types := make([]reflect.Type, len(args))
	for i, arg := range args {
		var err error
		if types[i], err = c.argument(arg, s); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Ident == "at":
		c.steps.add(ofMessage, s.inRange)
		if len(types) != 1 || types[0] != timeType {
			return nil, c.refuse(f, "at needs a time")
		}
		return textType, nil
	case f.Ident == "len":
		if len(types) != 1 || types[0].Kind() != reflect.Slice && types[0].Kind() != reflect.String {
			return nil, c.refuse(f, "len needs a list or a text")
		}
		return intType, nil
	case f.Ident == "not":
		if len(types) != 1 {
			return nil, c.refuse(f, "not needs one value")
		}
		return boolType, nil
	case f.Ident != "and" && f.Ident != "or":
		ordered := f.Ident != "eq" && f.Ident != "ne"
		if len(types) != 2 || types[0] != types[1] || !printable(types[0]) || ordered && types[0] == boolType {
			return nil, c.refuse(f, "%s needs two texts or two numbers", f.Ident)
		}
		return boolType, nil
	}
	return c.either(f, types)
}

// either returns the type of and and or, which return one of their arguments.
func (c *checked) either(f *parse.IdentifierNode, types []reflect.Type) (reflect.Type, error) {
	if len(types) == 0 {
		return nil, c.refuse(f, "%s needs values", f.Ident)
	}
	for _, t := range types {
		if t != types[0] {
			return reflect.TypeFor[struct{}](), nil // good for a condition only
		}
	}
	return types[0], nil
}

// message checks a call of t or n. The message must exist and fit each sample, so
// that a branch that no sample reaches does not fail either.
func (c *checked) message(f *parse.IdentifierNode, args []parse.Node, s scope) error {
	c.steps.add(ofMessage, s.inRange)
	usage := map[string]string{"t": `{{t "key" .Data}}`, "n": `{{n "key" .Data.Count .Data}}`}[f.Ident]
	if len(args) == 0 {
		return c.refuse(f, "write %s", usage)
	}
	key, ok := args[0].(*parse.StringNode)
	if !ok || !strings.HasPrefix(key.Text, c.template.Name+".") && !strings.HasPrefix(key.Text, "label.") {
		return c.refuse(f, "write %s, where the key is a text in quotes that begins with %s. or with label.", usage, c.template.Name)
	}
	rest := args[1:]
	if f.Ident == "n" {
		if len(rest) == 0 {
			return c.refuse(f, "write %s", usage)
		}
		if t, err := c.argument(rest[0], s); err != nil || t != intType {
			return c.refuse(f, "write %s, with a whole number", usage)
		}
		rest = rest[1:]
	}
	if len(rest) > 1 || len(rest) == 1 && rest[0].String() != "$.Data" && (s.inRange || rest[0].String() != ".Data") {
		return c.refuse(f, "write %s; in a loop $.Data", usage)
	}
	for _, sample := range c.template.Samples {
		var data []any
		if len(rest) == 1 {
			data = []any{sample.Data}
		}
		if err := c.say(f.Ident, key.Text, data); err != nil {
			return c.refuse(f, "%s %q cannot be written with the sample %q: %s", f.Ident, key.Text, sample.Name, err)
		}
	}
	return nil
}

func (c *checked) say(function, key string, data []any) error {
	var err error
	switch f := c.functions[function].(type) {
	case func(string, ...any) (string, error):
		_, err = f(key, data...)
	case func(string, int, ...any) (string, error):
		for _, count := range []int{1, 2} {
			if err == nil {
				_, err = f(key, count, data...)
			}
		}
	}
	return err
}
