package template

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// noValue is AWS::NoValue: a list or mapping drops an entry with it.
type noValue struct{}

// eval returns v with its intrinsics resolved.
func (s *scope) eval(v any, at position) (any, error) {
	v, at = unwrap(v, at)
	switch v := v.(type) {
	case map[string]any:
		if name, arg, ok := intrinsic(v); ok {
			return s.call(name, arg, at.in(name))
		}
		m := make(map[string]any, len(v))
		for key, inner := range v {
			r, err := s.eval(inner, at.in(key))
			if err != nil {
				return nil, err
			}
			if _, drop := r.(noValue); !drop {
				m[key] = r
			}
		}
		return m, nil
	case []any:
		list := make([]any, 0, len(v))
		for i, inner := range v {
			r, err := s.eval(inner, at.in(i))
			if err != nil {
				return nil, err
			}
			if _, drop := r.(noValue); !drop {
				list = append(list, r)
			}
		}
		return list, nil
	}
	return v, nil
}

func intrinsic(m map[string]any) (name string, arg any, ok bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for name, arg = range m {
	}
	return name, arg, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

func (s *scope) call(name string, arg any, at position) (any, error) {
	arg, at = unwrap(arg, at)
	switch name {
	case "Ref":
		return s.callRef(arg, at)
	case "Fn::GetAtt":
		return s.callGetAtt(arg, at)
	case "Fn::Sub":
		return s.callSub(arg, at)
	case "Fn::If":
		return s.callIf(arg, at)
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		return s.boolean(map[string]any{name: arg}, at)
	}
	v, err := s.eval(arg, at)
	if err != nil {
		return nil, err
	}
	return s.callFunction(name, v, at)
}

// callFunction applies the functions whose arguments are evaluated first.
func (s *scope) callFunction(name string, arg any, at position) (any, error) {
	args, _ := arg.([]any)
	switch {
	case name == "Fn::GetAZs":
		return []any{s.opts.Region + "a", s.opts.Region + "b", s.opts.Region + "c"}, nil
	case name == "Fn::Base64":
		text, err := scalarText(arg, at)
		return base64.StdEncoding.EncodeToString([]byte(text)), err
	case name == "Fn::Join" && len(args) == 2:
		return join(args, at)
	case name == "Fn::Select" && len(args) == 2:
		return pick(args, at)
	case name == "Fn::Split" && len(args) == 2:
		return split(args, at)
	case name == "Fn::FindInMap" && len(args) == 3:
		return s.findInMap(args, at)
	}
	return nil, at.errorf("the local stack does not understand this use of %s", name)
}

func (s *scope) callIf(arg any, at position) (any, error) {
	args, _ := arg.([]any)
	if len(args) != 3 {
		return nil, at.errorf("must be [condition, value, other value]")
	}
	name, _ := args[0].(string)
	holds, err := s.condition(name, at)
	if err != nil {
		return nil, err
	}
	if holds {
		return s.eval(args[1], at.in(1))
	}
	return s.eval(args[2], at.in(2))
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

func (s *scope) callSub(arg any, at position) (any, error) {
	text, ok := arg.(string)
	vars := map[string]any{}
	if args, list := arg.([]any); list && len(args) == 2 {
		text, ok = args[0].(string)
		vars, _ = args[1].(map[string]any)
	}
	if !ok {
		return nil, at.errorf("must be a string, or a string and its variables")
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := strings.TrimSpace(match[2 : len(match)-1])
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		value, err := s.subVariable(name, vars, at)
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return out, failed
}

func (s *scope) subVariable(name string, vars map[string]any, at position) (string, error) {
	var v any
	var err error
	if given, ok := vars[name]; ok {
		v, err = s.eval(given, at.in(name))
	} else if strings.Contains(name, ".") && !strings.HasSuffix(name, ".Alias") {
		v, err = s.callGetAtt(name, at)
	} else {
		v, err = s.callRef(name, at)
	}
	if err != nil {
		return "", err
	}
	return scalarText(v, at)
}

func scalarText(v any, at position) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int, int64, uint64:
		return fmt.Sprint(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", at.errorf("needs a text, found %T", v)
}

func join(args []any, at position) (any, error) {
	list, ok := args[1].([]any)
	if !ok {
		return nil, at.errorf("needs a list as second argument")
	}
	parts := make([]string, 0, len(list))
	for i, v := range list {
		text, err := scalarText(v, at.in(i))
		if err != nil {
			return nil, err
		}
		parts = append(parts, text)
	}
	delimiter, err := scalarText(args[0], at)
	return strings.Join(parts, delimiter), err
}

func pick(args []any, at position) (any, error) {
	text, err := scalarText(args[0], at)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(text)
	list, ok := args[1].([]any)
	if err != nil || !ok || i < 0 || i >= len(list) {
		return nil, at.errorf("has no element %s", text)
	}
	return list[i], nil
}

func split(args []any, at position) (any, error) {
	delimiter, err := scalarText(args[0], at)
	if err != nil {
		return nil, err
	}
	text, err := scalarText(args[1], at)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for part := range strings.SplitSeq(text, delimiter) {
		list = append(list, part)
	}
	return list, nil
}

func (s *scope) findInMap(args []any, at position) (any, error) {
	m := s.mappings
	for i, arg := range args {
		key, err := scalarText(arg, at)
		if err != nil {
			return nil, err
		}
		v, inner := unwrap(m[key], at)
		if v == nil {
			return nil, at.errorf("Mappings have no %q", key)
		}
		if i == len(args)-1 {
			return v, nil
		}
		var ok bool
		if m, ok = v.(map[string]any); !ok {
			return nil, inner.errorf("Mappings %q is not a mapping", key)
		}
	}
	return nil, at.errorf("is empty")
}
