package template

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// maxNesting stops templates that nest each other endlessly.
const maxNesting = 8

// scope is one template file with the values that its intrinsics can use.
type scope struct {
	opts       *Options
	root, file string
	stackName  string
	depth      int            // of nesting
	globals    map[string]any // of functions
	parameters map[string]any
	conditions map[string]any
	mappings   map[string]any
	outputs    map[string]any
	resources  map[string]*resource
	children   map[string]*scope
	evaluating map[string]bool // outputs, conditions and names that are being evaluated, to find cycles
}

type resource struct {
	id, kind   string
	properties map[string]any
	at         position // of the properties
}

func (r *resource) isCustom() bool {
	return strings.HasPrefix(r.kind, "Custom::") || r.kind == "AWS::CloudFormation::CustomResource"
}

func loadScope(opts *Options, root, file, stackName string, given map[string]any, depth int) (*scope, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("%s: templates are nested more than %d deep; does one nest itself?", file, maxNesting)
	}
	doc, err := parseFile(root, file)
	if err != nil {
		return nil, err
	}
	s := &scope{
		opts: opts, root: root, file: file, stackName: stackName, depth: depth,
		resources: map[string]*resource{}, children: map[string]*scope{}, evaluating: map[string]bool{},
	}
	var parameters, resources map[string]any
	for name, field := range map[string]*map[string]any{
		"Parameters": &parameters, "Conditions": &s.conditions, "Mappings": &s.mappings,
		"Outputs": &s.outputs, "Resources": &resources, "Globals": &s.globals,
	} {
		if *field, err = section(doc, name, position{file: file}); err != nil {
			return nil, err
		}
	}
	if s.globals, err = section(s.globals, "Function", position{file, "Globals"}); err != nil {
		return nil, err
	}
	if err := s.setParameters(parameters, given); err != nil {
		return nil, err
	}
	if err := s.setResources(resources); err != nil {
		return nil, err
	}
	return s, s.loadChildren()
}

// section returns the mapping under name, empty when there is none.
func section(m map[string]any, name string, at position) (map[string]any, error) {
	v, at := unwrap(m[name], at.in(name))
	if v == nil {
		return map[string]any{}, nil
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return nil, at.errorf("must be a mapping")
	}
	return inner, nil
}

func (s *scope) setParameters(declared, given map[string]any) error {
	s.parameters = map[string]any{}
	at := position{s.file, "Parameters"}
	for name, v := range given {
		if _, ok := declared[name]; !ok {
			return at.errorf("%s is given but not declared", name)
		}
		s.parameters[name] = v
	}
	if s.depth == 0 {
		for name, v := range s.opts.Defaults {
			if _, has := s.parameters[name]; declared[name] != nil && !has {
				s.parameters[name] = v
			}
		}
	}
	for name := range declared {
		p, err := section(declared, name, at)
		if err != nil {
			return err
		}
		v, ok := s.parameters[name]
		if !ok {
			if v, ok = p["Default"]; !ok {
				continue // an error only where it is used
			}
			if kind, _ := p["Type"].(string); strings.HasPrefix(kind, "AWS::SSM::Parameter::Value") {
				continue // the default is the name of an SSM parameter, which only AWS has
			}
		}
		if kind, _ := p["Type"].(string); strings.HasPrefix(kind, "List<") || kind == "CommaDelimitedList" {
			v = splitList(v)
		}
		s.parameters[name] = v
	}
	return nil
}

func splitList(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	list := []any{}
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list
}

// setResources keeps the resources whose condition holds.
func (s *scope) setResources(declared map[string]any) error {
	for id := range declared {
		r, err := section(declared, id, position{s.file, "Resources"})
		if err != nil {
			return err
		}
		at := position{s.file, "Resources." + id}
		if name, ok := r["Condition"].(string); ok {
			holds, err := s.condition(name, at)
			if err != nil {
				return err
			}
			if !holds {
				continue
			}
		}
		kind, ok := r["Type"].(string)
		if !ok {
			return at.errorf("has no Type")
		}
		properties, err := section(r, "Properties", at)
		if err != nil {
			return err
		}
		s.resources[id] = &resource{id, kind, properties, at.in("Properties")}
	}
	return nil
}

func (s *scope) resourceIDs() []string {
	return slices.Sorted(maps.Keys(s.resources))
}

// loadChildren loads nested stacks in the order of their references: the
// parameters of one may be outputs of another.
func (s *scope) loadChildren() error {
	for _, id := range s.resourceIDs() {
		if _, err := s.child(id); err != nil {
			return err
		}
	}
	return nil
}

// child returns the nested stack of a resource, nil if it is not one.
func (s *scope) child(id string) (*scope, error) {
	r := s.resources[id]
	location := map[string]string{
		"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location",
	}[r.kind]
	if location == "" || s.children[id] != nil {
		return s.children[id], nil
	}
	file, ok := r.properties[location].(string)
	if !ok || strings.Contains(file, "://") {
		return nil, r.at.errorf("%s must be a relative path", location)
	}
	if s.evaluating[id] {
		return nil, r.at.errorf("nested stacks need each other's outputs in a circle")
	}
	s.evaluating[id] = true
	defer delete(s.evaluating, id)
	given := map[string]any{}
	declared, err := section(r.properties, "Parameters", r.at)
	if err != nil {
		return nil, err
	}
	for name, v := range declared {
		if given[name], err = s.eval(v, r.at.in("Parameters").in(name)); err != nil {
			return nil, err
		}
	}
	s.children[id], err = loadScope(s.opts, s.root, filepath.Join(filepath.Dir(s.file), file), s.stackName+"-"+id, given, s.depth+1)
	return s.children[id], err
}
