package reference

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// schema has the parts of a JSON schema of OpenAPI 3.1 that the list shows.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        types              `json:"type"`
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	Default     any                `json:"default"`
	Example     any                `json:"example"`
	Examples    []any              `json:"examples"`
	Minimum     json.Number        `json:"minimum"`
	Maximum     json.Number        `json:"maximum"`
	MinLength   json.Number        `json:"minLength"`
	MaxLength   json.Number        `json:"maxLength"`
	MinItems    json.Number        `json:"minItems"`
	MaxItems    json.Number        `json:"maxItems"`
	MaxMembers  json.Number        `json:"maxProperties"`
	Pattern     string             `json:"pattern"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Items       *schema            `json:"items"`
	Values      *values            `json:"additionalProperties"`
	AllOf       []*schema          `json:"allOf"`
	AnyOf       []*schema          `json:"anyOf"`
	OneOf       []*schema          `json:"oneOf"`
}

// types is the keyword type: one type or several.
type types []string

func (t *types) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// values is the keyword additionalProperties: a schema, true or false.
type values struct{ schema *schema }

func (v *values) UnmarshalJSON(text []byte) error {
	if string(text) == "true" || string(text) == "false" {
		return nil
	}
	return json.Unmarshal(text, &v.schema)
}

// field is a line of the list: a parameter, or a member of a body.
type field struct {
	Name, Type, Doc, Bounds string
	Required                bool
}

// fields lists the members of a schema, and below each object its own members. A
// schema that contains itself is listed once.
func (d *document) fields(s *schema, prefix string, within ...string) (list []field) {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		if slices.Contains(within, s.Ref) {
			return nil
		}
		within = append(slices.Clip(within), s.Ref)
		s = d.resolve(s)
	}
	for _, name := range sortedKeys(s.Properties) {
		property := s.Properties[name]
		list = append(list, d.field(prefix+name, property, slices.Contains(s.Required, name)))
		list = append(list, d.fields(property, prefix+name+".", within...)...)
	}
	for _, part := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		list = append(list, d.fields(part, prefix, within...)...)
	}
	if s.Items != nil {
		list = append(list, d.fields(s.Items, strings.TrimSuffix(prefix, ".")+"[].", within...)...)
	}
	if s.Values != nil {
		list = append(list, d.fields(s.Values.schema, prefix+"*.", within...)...)
	}
	return list
}

func (d *document) field(name string, s *schema, required bool) field {
	whole := d.resolve(s)
	f := field{Name: name, Type: d.typeOf(s), Doc: s.Description, Bounds: bounds(whole), Required: required}
	if f.Doc == "" {
		f.Doc = whole.Description
	}
	return f
}

// resolve returns the schema to which references lead.
func (d *document) resolve(s *schema) *schema {
	for range 10 { // stops if references form a circle
		to, ok := d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		if s.Ref == "" || !ok {
			return s
		}
		s = to
	}
	return s
}

// typeOf names the types that a value may have.
func (d *document) typeOf(s *schema) string {
	s = d.resolve(s)
	var names []string
	for _, t := range s.Type {
		switch {
		case t == "array" && s.Items != nil:
			t = "list of " + d.typeOf(s.Items)
		case t == "array":
			t = "list"
		case t == "string" && s.Format != "":
			t = s.Format
		}
		names = append(names, t)
	}
	for _, part := range slices.Concat(s.AnyOf, s.OneOf) {
		if name := d.typeOf(part); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0 && len(s.AllOf) > 0:
		return d.typeOf(s.AllOf[0])
	case len(names) == 0:
		return "any JSON"
	}
	return strings.Join(names, " or ")
}

// bounds describes the limits of a value and its default.
func bounds(s *schema) string {
	var parts []string
	add := func(format string, values ...any) { parts = append(parts, fmt.Sprintf(format, values...)) }
	if len(s.Enum) > 0 {
		add("one of %s", join(s.Enum))
	}
	if s.Const != nil {
		add("always %s", asJSON(s.Const))
	}
	for _, r := range []struct {
		low, high json.Number
		unit      string
	}{{s.Minimum, s.Maximum, ""}, {s.MinLength, s.MaxLength, " characters"}, {s.MinItems, s.MaxItems, " items"}, {"", s.MaxMembers, " members"}} {
		switch {
		case r.low != "" && r.high != "":
			add("%s to %s%s", r.low, r.high, r.unit)
		case r.low != "":
			add("at least %s%s", r.low, r.unit)
		case r.high != "":
			add("at most %s%s", r.high, r.unit)
		}
	}
	if s.Pattern != "" {
		add("matches %s", s.Pattern)
	}
	if s.Default != nil {
		add("default %s", asJSON(s.Default))
	}
	switch {
	case s.Example != nil:
		add("such as %s", asJSON(s.Example))
	case len(s.Examples) > 0:
		add("such as %s", asJSON(s.Examples[0]))
	}
	return strings.Join(parts, "; ")
}

func join(values []any) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, asJSON(v))
	}
	return strings.Join(texts, ", ")
}

// asJSON does not escape < and &: the template does.
func asJSON(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // cannot fail: the value comes from JSON
	return strings.TrimSpace(out.String())
}
