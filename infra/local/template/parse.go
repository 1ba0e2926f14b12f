package template

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// position is where a value is in the templates, for error messages.
type position struct{ file, path string }

func (p position) in(key any) position {
	if p.path == "" {
		return position{p.file, fmt.Sprint(key)}
	}
	return position{p.file, fmt.Sprintf("%s.%v", p.path, key)}
}

func (p position) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", p.file, p.path, fmt.Errorf(format, args...))
}

// included is a value that AWS::Include took from another file.
type included struct {
	file  string
	value any
}

func unwrap(v any, at position) (any, position) {
	if i, ok := v.(included); ok {
		return i.value, position{i.file, at.path}
	}
	return v, at
}

// parser turns YAML into maps, slices and scalars. Short intrinsics (!Ref) get
// their long form (Ref:), and includes are expanded.
type parser struct {
	root   string // folder that file names are relative to
	file   string
	values *int // read so far, with all includes
}

// maxValues bounds a template with its includes. Only one that contains itself, by an
// alias or an include, has more.
const maxValues = 100_000

func parseFile(root, file string) (map[string]any, error) {
	return parser{root, file, new(int)}.document()
}

func (p parser) document() (map[string]any, error) {
	file := p.file
	data, err := os.ReadFile(filepath.Join(p.root, file))
	if err != nil {
		return nil, fmt.Errorf("cannot read the template: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	v, err := p.value(doc.Content[0])
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: a template must be a mapping", file)
	}
	return m, nil
}

func (p parser) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", p.file, n.Line, fmt.Errorf(format, args...))
}

func (p parser) value(n *yaml.Node) (any, error) {
	if *p.values++; *p.values > maxValues {
		return nil, p.errorf(n, "the template has more than %d values: an alias or an include contains itself", maxValues)
	}
	if n.Kind == yaml.AliasNode {
		return p.value(n.Alias)
	}
	if tag := n.Tag; strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		return p.shortForm(n, strings.TrimPrefix(tag, "!"))
	}
	switch n.Kind {
	case yaml.MappingNode:
		return p.mapping(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := p.value(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return p.scalar(n)
}

// shortForm rewrites !GetAtt a.b as {"Fn::GetAtt": "a.b"}.
func (p parser) shortForm(n *yaml.Node, name string) (any, error) {
	plain := *n
	plain.Tag = ""
	v, err := p.value(&plain)
	if err != nil {
		return nil, err
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return map[string]any{name: v}, nil
}

func (p parser) scalar(n *yaml.Node) (any, error) {
	if n.ShortTag() == "!!timestamp" { // versions such as 2010-09-09 are strings
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, p.errorf(n, "%w", err)
	}
	return v, nil
}

func (p parser) mapping(n *yaml.Node) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if _, twice := m[key]; twice {
			return nil, p.errorf(n.Content[i], "key %q appears twice", key)
		}
		v, err := p.value(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	if transform, ok := m["Fn::Transform"]; ok {
		delete(m, "Fn::Transform")
		return m, p.include(n, m, transform)
	}
	return m, nil
}

// include merges the file of an AWS::Include transform into m.
func (p parser) include(n *yaml.Node, m map[string]any, transform any) error {
	t, _ := transform.(map[string]any)
	parameters, _ := t["Parameters"].(map[string]any)
	location, ok := parameters["Location"].(string)
	if t["Name"] != "AWS::Include" || !ok {
		return p.errorf(n, "Fn::Transform is understood only as AWS::Include with a relative Location")
	}
	file := filepath.Join(filepath.Dir(p.file), location)
	content, err := parser{p.root, file, p.values}.document()
	if err != nil {
		return err
	}
	for key, v := range content {
		if _, twice := m[key]; twice {
			return p.errorf(n, "%s includes %q, which exists already", file, key)
		}
		if _, nested := v.(included); !nested {
			v = included{file, v}
		}
		m[key] = v
	}
	return nil
}
