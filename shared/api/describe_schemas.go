package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// finishSchemas writes in JSON Schema what huma expresses in its own way: an enum
// that may be null lists null, and the description explains the pattern. A reply
// may get new members later; a request must not have unknown members.
func finishSchemas(d *huma.OpenAPI, text *texts) {
	requests, replies := map[*huma.Schema]bool{}, map[*huma.Schema]bool{}
	for _, op := range operationsOf(d) {
		for _, p := range op.Parameters {
			walk(d, p.Schema, requests)
		}
		if op.RequestBody != nil {
			walkMedia(d, op.RequestBody.Content, requests)
		}
		for _, r := range op.Responses {
			walkMedia(d, r.Content, replies)
		}
	}
	for _, r := range d.Components.Responses {
		walkMedia(d, r.Content, replies)
	}
	for schema := range requests {
		finishSchema(schema, text)
	}
	for schema := range replies {
		finishSchema(schema, text)
		if schema.AdditionalProperties == false && !requests[schema] {
			schema.AdditionalProperties = nil
		}
	}
}

func finishSchema(s *huma.Schema, text *texts) {
	text.fill(&s.Description)
	if s.Nullable && len(s.Enum) > 0 && s.Enum[len(s.Enum)-1] != nil {
		s.Enum = append(s.Enum, nil)
	}
	if s.PatternDescription != "" {
		s.Description = strings.TrimSpace(s.Description + " Must be " + s.PatternDescription + ".")
		s.PatternDescription = ""
	}
}

func walkMedia(d *huma.OpenAPI, content map[string]*huma.MediaType, seen map[*huma.Schema]bool) {
	for _, media := range content {
		walk(d, media.Schema, seen)
	}
}

// walk adds a schema and all its parts to seen.
func walk(d *huma.OpenAPI, s *huma.Schema, seen map[*huma.Schema]bool) {
	if s = resolve(d, s); s == nil || seen[s] {
		return
	}
	seen[s] = true
	for _, part := range s.Properties {
		walk(d, part, seen)
	}
	for _, part := range s.AllOf {
		walk(d, part, seen)
	}
	walk(d, s.Items, seen)
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		walk(d, values, seen)
	}
}

// resolve returns the schema to which a reference leads.
func resolve(d *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return d.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}
