package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document has the parts of an OpenAPI document that the list shows.
type document struct {
	Info       struct{ Title, Version, Description string }
	Tags       []struct{ Name, Description string }
	Paths      map[string]map[string]json.RawMessage
	Webhooks   map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]*schema
		Responses map[string]response
	}
}

type operation struct {
	OperationID string
	Summary     string
	Description string
	Tags        []string
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]media
	}
	Responses map[string]response
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               any
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]media
}

type media struct {
	Schema *schema
}

// group is the operations of one tag.
type group struct {
	Name       string
	Operations []entry
}

// Place returns the id of the group's place on the page.
func (g group) Place() string { return strings.ReplaceAll(strings.ToLower(g.Name), " ", "-") }

// entry is an operation as the list shows it.
type entry struct {
	ID, Method, Path, Summary, Description string
	Parameters, Body                       []field
	Replies                                []reply
}

type reply struct {
	Status, Description string
	Fields              []field
}

var methods = []string{"get", "post", "put", "patch", "delete"}

func parse(openapi []byte) (*document, error) {
	decoder := json.NewDecoder(bytes.NewReader(openapi))
	decoder.UseNumber()
	d := &document{}
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("cannot read the OpenAPI document: %w", err)
	}
	return d, nil
}

// groups lists every operation by tag. The tags are in the document's order, the
// operations of a tag in the order of their paths.
func (d *document) groups() ([]group, error) {
	var list []group
	for _, t := range d.Tags {
		list = append(list, group{Name: t.Name})
	}
	for _, section := range []struct {
		items map[string]map[string]json.RawMessage
		tag   string // for items without a tag
	}{{d.Paths, "Other"}, {d.Webhooks, "Webhooks"}} {
		for _, path := range sortedKeys(section.items) {
			for _, method := range methods {
				text, ok := section.items[path][method]
				if !ok {
					continue
				}
				var op operation
				if err := json.Unmarshal(text, &op); err != nil {
					return nil, fmt.Errorf("cannot read %s %s: %w", method, path, err)
				}
				tag := section.tag
				if len(op.Tags) > 0 {
					tag = op.Tags[0]
				}
				i := slices.IndexFunc(list, func(g group) bool { return g.Name == tag })
				if i < 0 {
					i, list = len(list), append(list, group{Name: tag})
				}
				list[i].Operations = append(list[i].Operations, d.entry(method, path, op))
			}
		}
	}
	return slices.DeleteFunc(list, func(g group) bool { return len(g.Operations) == 0 }), nil
}

func (d *document) entry(method, path string, op operation) entry {
	e := entry{ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		f := field{Name: p.Name, Required: p.Required}
		if p.Schema != nil {
			f = d.field(p.Name, p.Schema, p.Required)
		}
		f.Type = p.In + " · " + f.Type
		if p.Description != "" {
			f.Doc = p.Description
		}
		e.Parameters = append(e.Parameters, f)
	}
	if op.RequestBody != nil {
		e.Body = d.contentFields(op.RequestBody.Content)
	}
	for _, status := range sortedKeys(op.Responses) {
		response := op.Responses[status]
		if name, ok := strings.CutPrefix(response.Ref, "#/components/responses/"); ok {
			response = d.Components.Responses[name]
		}
		r := reply{Status: status, Description: response.Description}
		if strings.HasPrefix(status, "2") { // the page about errors shows the members of a problem
			r.Fields = d.contentFields(response.Content)
		}
		e.Replies = append(e.Replies, r)
	}
	return e
}

// contentFields lists the members of the first media type that has members.
func (d *document) contentFields(content map[string]media) []field {
	for _, kind := range sortedKeys(content) {
		if list := d.fields(content[kind].Schema, ""); len(list) > 0 {
			return list
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
