package edge

import (
	"context"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// register registers an operation with huma. Ids in its body get a pattern: huma checks
// patterns before it decodes the body, and names the field that is wrong. An error of the
// decoding would name the body only.
func register[I, O any](s *Server, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	huma.Register(s.huma, op, handle)
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok && body.Type.Kind() == reflect.Struct {
		media := Described(s.OpenAPI(), Op{Method: op.Method, Path: op.Path}).RequestBody.Content["application/json"]
		formIDs(s.OpenAPI().Components.Schemas, media.Schema, body.Type, map[reflect.Type]bool{})
	}
}

// formed is an id.
type formed interface {
	Form() (pattern, words string)
}

// formIDs sets the patterns of all ids in a type.
func formIDs(all huma.Registry, s *huma.Schema, t reflect.Type, seen map[reflect.Type]bool) {
	if s != nil && s.Ref != "" {
		s = all.SchemaFromRef(s.Ref)
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s == nil || seen[t] {
		return
	}
	if id, ok := reflect.Zero(t).Interface().(formed); ok {
		s.Pattern, s.PatternDescription = id.Form()
		s.PrecomputeMessages()
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		formIDs(all, s.Items, t.Elem(), seen)
	case reflect.Map:
		values, _ := s.AdditionalProperties.(*huma.Schema)
		formIDs(all, values, t.Elem(), seen)
	case reflect.Struct:
		seen[t] = true
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				formIDs(all, s, f.Type, seen)
			} else {
				formIDs(all, s.Properties[name], f.Type, seen)
			}
		}
	}
}
