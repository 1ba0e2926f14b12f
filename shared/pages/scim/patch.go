package scim

import (
	"slices"
	"strings"
)

// shape says what a resource has. Of other attributes, which providers send too, nothing is
// kept.
type shape struct {
	single  []string // texts and booleans
	complex []string // objects
	lists   []string // lists of objects
	fixed   []string // read only
}

// maxOperations bounds the operations of one PATCH.
const maxOperations = 100

// apply changes a resource as a PATCH says.
func (s shape) apply(resource, patch object) error {
	operations, err := objects(patch, "Operations")
	if err != nil || len(operations) == 0 || len(operations) > maxOperations {
		return invalid("invalidSyntax", "Operations must be a list of 1 to 100 operations.")
	}
	for _, o := range operations {
		name, _ := get(o, "op").(string)
		at, isText := get(o, "path").(string)
		if get(o, "path") != nil && !isText {
			return invalid("invalidPath", "path must be a text.")
		}
		op := strings.ToLower(name)
		if op != "add" && op != "replace" && op != "remove" {
			return invalid("invalidSyntax", "op must be add, replace or remove.")
		}
		if err := s.change(resource, op, at, get(o, "value")); err != nil {
			return err
		}
	}
	return nil
}

// change does one operation. Without a path its value has attributes, or paths, as Entra
// sends them.
func (s shape) change(resource object, op, at string, value any) error {
	if at != "" {
		return s.changeAt(resource, op, at, value)
	}
	if op == "remove" {
		return invalid("noTarget", "To remove something, say what: path is missing.")
	}
	whole, ok := value.(object)
	if !ok {
		return invalid("invalidValue", "Without a path, value must be an object.")
	}
	names := make([]string, 0, len(whole))
	for name := range whole {
		names = append(names, name)
	}
	slices.Sort(names) // the same order each time
	for _, name := range names {
		if strings.EqualFold(name, "schemas") || strings.EqualFold(name, "id") || strings.EqualFold(name, "meta") {
			continue // sent with the rest; they do not change
		}
		if err := s.changeAt(resource, op, name, whole[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) changeAt(resource object, op, at string, value any) error {
	p, err := parsePath(at)
	if err != nil || p.foreign {
		return err
	}
	has := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool { return strings.EqualFold(name, p.attribute) })
	}
	switch {
	case has(s.fixed):
		return invalid("mutability", p.attribute+" cannot be changed.")
	case has(s.lists):
		return changeList(resource, op, p, value)
	case has(s.complex):
		return changeObject(resource, op, p, value)
	case has(s.single) && (p.filtered || p.sub != ""):
		return invalid("invalidPath", p.attribute+" has no parts.")
	case has(s.single):
		set(resource, op, p.attribute, value)
	}
	return nil
}

func set(o object, op, name string, value any) {
	if op == "remove" {
		value = nil
	}
	put(o, name, value)
}

func changeObject(resource object, op string, p path, value any) error {
	inner, _ := get(resource, p.attribute).(object)
	if inner == nil {
		inner = object{}
	}
	whole, isObject := value.(object)
	switch {
	case p.filtered:
		return invalid("invalidPath", p.attribute+" is no list.")
	case p.sub != "":
		set(inner, op, p.sub, value)
	case op == "remove":
		inner = object{}
	case !isObject:
		return invalid("invalidValue", p.attribute+" must be an object.")
	default:
		for name, v := range whole {
			put(inner, name, v)
		}
	}
	put(resource, p.attribute, inner)
	return nil
}

// changeList changes a list of objects, or those of them that a filter names.
func changeList(resource object, op string, p path, value any) error {
	list, _ := get(resource, p.attribute).([]any)
	if !p.filtered && p.sub == "" {
		changed, err := changeWhole(list, op, p, value)
		if err == nil {
			put(resource, p.attribute, changed)
		}
		return err
	}
	var kept []any
	found := false
	for _, one := range list {
		item, _ := one.(object)
		if item != nil && matches(item, p.filter) {
			found = true
			if op == "remove" && p.sub == "" {
				continue
			}
			if err := changeItem(item, op, p, value); err != nil {
				return err
			}
		}
		kept = append(kept, one)
	}
	if !found && op != "remove" {
		made := object{}
		for _, c := range p.filter {
			put(made, c.attribute, c.value)
		}
		if err := changeItem(made, op, p, value); err != nil {
			return err
		}
		kept = append(kept, made)
	}
	put(resource, p.attribute, kept)
	return nil
}

func changeItem(item object, op string, p path, value any) error {
	if p.sub != "" {
		set(item, op, p.sub, value)
		return nil
	}
	whole, isObject := value.(object)
	if !isObject {
		return invalid("invalidValue", p.attribute+" must have objects.")
	}
	for name, v := range whole {
		put(item, name, v)
	}
	return nil
}

// changeWhole adds to a list, replaces it, or removes what it has in common with value; Entra
// removes the members of groups in this way.
func changeWhole(list []any, op string, p path, value any) ([]any, error) {
	given, isList := value.([]any)
	if one, isObject := value.(object); isObject {
		given, isList = []any{one}, true
	}
	switch {
	case op == "remove" && value == nil:
		return nil, nil
	case !isList:
		return nil, invalid("invalidValue", p.attribute+" must be a list of objects.")
	case op == "replace":
		return given, nil
	}
	known := map[string]bool{}
	for _, one := range given {
		if v, isText := valueOf(one).(string); isText {
			known[v] = true
		}
	}
	rest := slices.DeleteFunc(slices.Clone(list), func(one any) bool {
		v, isText := valueOf(one).(string)
		return isText && known[v]
	})
	if op == "remove" {
		return rest, nil
	}
	return append(rest, given...), nil
}

func valueOf(one any) any {
	o, _ := one.(object)
	return get(o, "value")
}
