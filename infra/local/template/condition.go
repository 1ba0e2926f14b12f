package template

// condition evaluates a named condition.
func (s *scope) condition(name string, at position) (bool, error) {
	v, ok := s.conditions[name]
	if !ok {
		return false, at.errorf("there is no condition %q", name)
	}
	key := "condition " + name
	if s.evaluating[key] {
		return false, at.errorf("condition %s needs itself", name)
	}
	s.evaluating[key] = true
	defer delete(s.evaluating, key)
	return s.boolean(v, position{s.file, "Conditions." + name})
}

// boolean evaluates the expression of a condition.
func (s *scope) boolean(v any, at position) (bool, error) {
	v, at = unwrap(v, at)
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return false, at.errorf("is not a condition")
	}
	if name, ok := m["Condition"].(string); ok {
		return s.condition(name, at)
	}
	name, arg, _ := intrinsic(m)
	args, _ := arg.([]any)
	at = at.in(name)
	switch name {
	case "Fn::Equals":
		return s.equals(args, at)
	case "Fn::Not":
		if len(args) == 1 {
			holds, err := s.boolean(args[0], at)
			return !holds, err
		}
	case "Fn::And", "Fn::Or":
		stop := name == "Fn::Or" // the value that ends the evaluation
		for i, arg := range args {
			holds, err := s.boolean(arg, at.in(i))
			if err != nil || holds == stop {
				return holds, err
			}
		}
		return !stop, nil
	}
	return false, at.errorf("is not a condition that the local stack supports")
}

func (s *scope) equals(args []any, at position) (bool, error) {
	if len(args) != 2 {
		return false, at.errorf("compares two values, not %d", len(args))
	}
	var texts [2]string
	for i, arg := range args {
		v, err := s.eval(arg, at.in(i))
		if err != nil {
			return false, err
		}
		if texts[i], err = scalarText(v, at.in(i)); err != nil {
			return false, err
		}
	}
	return texts[0] == texts[1], nil
}
