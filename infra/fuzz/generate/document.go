// Package generate makes requests, valid and broken ones, from an OpenAPI document
// alone, sends them to the API that the document describes, and judges the replies.
package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is an OpenAPI document. Its schemas are strict: an unknown member of a
// reply is an error here, though clients must ignore it.
type Document struct {
	Root       map[string]any
	Operations []*Operation // sorted by path and method
	mu         sync.Mutex
	compiler   *jsonschema.Compiler // compiles each schema once
}

// Operation is an operation as its document describes it.
type Operation struct {
	ID, Method, Path string
	Keyed            bool // needs an API key
	StaffOnly        bool
	Parameters       []Parameter
	Body             map[string]any // its schema; nil: it takes none
	Example          any            // of the body
	form             *regexp.Regexp // of the path
	at               []string       // the names that lead to it
}

// Parameter is a parameter of an operation.
type Parameter struct {
	Name, In string
	Required bool
	Schema   map[string]any
}

// Read reads a document in JSON.
func Read(text []byte) (*Document, error) {
	d := &Document{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(text, &d.Root); err != nil {
		return nil, err
	}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	seal(strict)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", strict); err != nil {
		return nil, err
	}
	for path, item := range d.At("paths") {
		for method := range item.(map[string]any) {
			d.Operations = append(d.Operations, d.operation(path, method))
		}
	}
	slices.SortFunc(d.Operations, func(a, b *Operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return d, nil
}

var parameter = regexp.MustCompile(`\{\w+\}`)

func (d *Document) operation(path, method string) *Operation {
	at := d.At("paths", path, method)
	o := &Operation{
		ID: at["operationId"].(string), Method: strings.ToUpper(method), Path: path, at: []string{"paths", path, method},
		form: regexp.MustCompile("^" + parameter.ReplaceAllString(path, "[^/]+") + "$"),
	}
	security, own := at["security"].([]any)
	o.Keyed = !own || len(security) > 0
	parameters, _ := at["parameters"].([]any)
	for _, p := range parameters {
		p := p.(map[string]any)
		required, _ := p["required"].(bool)
		o.Parameters = append(o.Parameters, Parameter{Name: p["name"].(string), In: p["in"].(string), Required: required, Schema: d.resolve(p["schema"])})
	}
	if media := d.At(append(slices.Clone(o.at), "requestBody", "content", "application/json")...); media != nil {
		o.Body, o.Example = d.resolve(media["schema"]), media["example"]
	}
	o.StaffOnly = slices.Contains(d.Codes(o, http.StatusForbidden), "staff_only")
	return o
}

// bodyAt returns the path to the schema of an operation's body; nil: it takes none.
func (d *Document) bodyAt(o *Operation) []string {
	return d.Follow(append(slices.Clone(o.at), "requestBody", "content", "application/json", "schema")...)
}

// resolve follows a reference.
func (d *Document) resolve(schema any) map[string]any {
	object, _ := schema.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.At(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return object
}

// Statuses lists the statuses that an operation is documented to answer.
func (d *Document) Statuses(o *Operation) (list []int) {
	for text := range d.At(append(slices.Clone(o.at), "responses")...) {
		if status, err := strconv.Atoi(text); err == nil {
			list = append(list, status)
		}
	}
	slices.Sort(list)
	return list
}

// Codes lists the codes of the problems that an operation can answer with a status.
func (d *Document) Codes(o *Operation, status int) (list []string) {
	content := append(d.Follow(append(slices.Clone(o.at), "responses", strconv.Itoa(status))...), "content", "application/problem+json")
	examples, _ := d.At(content...)["examples"].(map[string]any)
	for code := range examples {
		list = append(list, code)
	}
	slices.Sort(list)
	return list
}

// seal forbids members that an object's schema does not name, except in a part of
// an allOf, which names only some of the members.
func seal(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, object := v["properties"].(map[string]any); object && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, member := range v {
			seal(member)
		}
		parts, _ := v["allOf"].([]any)
		for _, part := range parts {
			delete(part.(map[string]any), "additionalProperties")
		}
	case []any:
		for _, item := range v {
			seal(item)
		}
	}
}

// At returns the object at the path of names, or nil if there is none.
func (d *Document) At(names ...string) map[string]any {
	found := d.Root
	for _, name := range names {
		found, _ = found[name].(map[string]any)
	}
	return found
}

// Follow returns the path of names, or the path to which a $ref there leads; nil
// if there is nothing.
func (d *Document) Follow(names ...string) []string {
	found := d.At(names...)
	if ref, ok := found["$ref"].(string); ok {
		return strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	if found == nil {
		return nil
	}
	return names
}

// Check validates JSON against the schema at the path of names.
func (d *Document) Check(text []byte, names ...string) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	pointer := "openapi.json#"
	for _, name := range names {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
	}
	d.mu.Lock()
	schema, err := d.compiler.Compile(pointer)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// CheckBody validates the body of a request.
func (d *Document) CheckBody(o *Operation, body []byte) error { return d.Check(body, d.bodyAt(o)...) }

// Find returns the operation of a method and a decoded path, or nil. A path without
// parameters comes before one with them.
func (d *Document) Find(method, path string) (found *Operation) {
	for _, o := range d.Operations {
		switch {
		case o.Method != method:
		case o.Path == path:
			return o
		case o.form.MatchString(path):
			found = o
		}
	}
	return found
}

// CheckReply compares a reply with the description of its operation: its status,
// media type, problem code and every member, also null ones, must be described.
func (d *Document) CheckReply(o *Operation, status int, mediaType string, body []byte) error {
	at := d.Follow(append(slices.Clone(o.at), "responses", strconv.Itoa(status))...)
	if at == nil {
		return fmt.Errorf("%s answered %d, which is not described", o.ID, status)
	}
	if len(body) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(mediaType, ";")
	if status == http.StatusOK && !o.Keyed && !strings.HasSuffix(kind, "json") {
		return nil // a page, or a file that it loads
	}
	at = append(slices.Clip(at), "content", kind, "schema")
	if d.At(at...) == nil {
		return fmt.Errorf("%s answered %d as %q, which is not described", o.ID, status, mediaType)
	}
	if err := d.Check(body, at...); err != nil {
		return errors.Join(fmt.Errorf("%s answered %d with a body that does not match its description", o.ID, status), err)
	}
	return nil
}
