package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"portico/shared/eventtype"
	"portico/shared/eventtype/schema"
	"portico/shared/webhook"
)

// Found is an event type in an OpenAPI document.
type Found struct {
	Name        string
	Description string
	Group       string // the first tag; "": none
	Schema      json.RawMessage
	Examples    []json.RawMessage
	// Problem says why it cannot be imported; "": it can.
	Problem string
}

// The limits of a document besides its size.
const (
	maxDepth = 64
	maxFound = 200 // event types
	// maxCopied bounds the schemas' bytes together: each has a copy of all that it
	// refers to.
	maxCopied = 8 << 20
)

// reader reads an OpenAPI document. References are followed only inside of it.
type reader struct {
	ctx      context.Context
	document object
	old      bool // OpenAPI 3.0: its schemas are of another draft
	copied   int
}

// Read returns the event types of an OpenAPI 3.0 or 3.1 document, by their names: its
// webhooks (or x-webhooks), and those of its schemas that components names: event
// types by the names of the schemas. The error is for the customer who sent it.
func Read(ctx context.Context, text []byte, components map[string]string) ([]Found, error) {
	r := &reader{ctx: ctx}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&r.document); err != nil || r.document == nil {
		return nil, errors.New("must be an OpenAPI document: a JSON object")
	}
	version, _ := r.document["openapi"].(string)
	if r.old = strings.HasPrefix(version, "3.0."); !r.old && !strings.HasPrefix(version, "3.1.") {
		return nil, errors.New("must be an OpenAPI document of version 3.0 or 3.1: openapi must be 3.0.x or 3.1.x")
	}
	if depth(r.document, 0) > maxDepth {
		return nil, fmt.Errorf("nests objects and lists more than %d deep", maxDepth)
	}
	var list []Found
	for _, member := range []string{"webhooks", "x-webhooks"} {
		webhooks, _ := r.document[member].(object)
		for _, name := range slices.Sorted(maps.Keys(webhooks)) {
			list = append(list, r.webhook(name, webhooks[name]))
		}
	}
	for _, component := range slices.Sorted(maps.Keys(components)) {
		list = append(list, r.component(component, components[component]))
	}
	if len(list) == 0 {
		return nil, errors.New("has no event types: it needs webhooks or x-webhooks; or name schemas in components")
	}
	if len(list) > maxFound {
		return nil, fmt.Errorf("has more than %d event types: import it in parts", maxFound)
	}
	return distinct(list), ctx.Err()
}

// distinct sorts the types; of several with one name only the first can be imported.
func distinct(list []Found) []Found {
	slices.SortStableFunc(list, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name && list[i].Problem == "" {
			list[i].Problem = "the document has another event type with this name"
		}
	}
	return list
}

var (
	typeForm  = regexp.MustCompile(webhook.TypePattern)
	groupForm = regexp.MustCompile(eventtype.GroupPattern)
)

// webhook reads the event type of a webhook: the body of its POST.
func (r *reader) webhook(name string, item any) Found {
	f := Found{Name: name, Problem: nameProblem(name)}
	path, err := r.follow(item)
	post, _ := path["post"].(object)
	if err != nil || post == nil {
		f.Problem = "the webhook has no POST"
	}
	if f.Problem != "" {
		return f
	}
	if f.Description = textOf(post, "description", "summary"); f.Description == name {
		f.Description = "" // says nothing
	}
	if tags, _ := post["tags"].([]any); len(tags) > 0 {
		if group, _ := tags[0].(string); len(group) <= eventtype.MaxGroup && groupForm.MatchString(group) {
			f.Group = group
		}
	}
	media, err := r.bodyOf(post)
	if err != nil {
		f.Problem = err.Error()
	}
	if media == nil {
		return f
	}
	body, ok := media["schema"]
	if !ok {
		return f
	}
	data, enveloped := r.dataOf(body)
	if s := r.fill(&f, data); s != nil {
		f.Examples = r.examples(s, media, enveloped)
	}
	return f
}

// examples returns the examples of a body that match its schema; enveloped: they are
// bodies of deliveries.
func (r *reader) examples(s *schema.Schema, media object, enveloped bool) (list []json.RawMessage) {
	values := []any{}
	if value, ok := media["example"]; ok {
		values = append(values, value)
	}
	named, _ := media["examples"].(object)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if example, err := r.follow(named[name]); err == nil {
			values = append(values, example["value"])
		}
	}
	for _, value := range values {
		if enveloped {
			body, _ := value.(object)
			value = body["data"]
		}
		text, err := json.Marshal(value)
		if err != nil || len(list) == eventtype.MaxExamples {
			break
		}
		if wrong, err := s.Validate(r.ctx, text); err == nil && len(wrong) == 0 {
			list = append(list, text)
		}
	}
	return list
}

// component reads an event type from a schema of the document.
func (r *reader) component(component, name string) Found {
	f := Found{Name: name, Problem: nameProblem(name)}
	components, _ := r.document["components"].(object)
	schemas, _ := components["schemas"].(object)
	found, ok := schemas[component]
	if !ok {
		f.Problem = fmt.Sprintf("the document has no schema %q", short(component))
	}
	if f.Problem != "" {
		return f
	}
	if s, ok := found.(object); ok {
		f.Description = textOf(s, "description", "title")
	}
	r.fill(&f, object{"$ref": schemasPath + escape(component)})
	return f
}

func nameProblem(name string) string {
	switch {
	case len(name) > eventtype.MaxName || !typeForm.MatchString(name):
		return "the name must be words of letters, digits and _ joined by dots"
	case webhook.IsOperational(name) || name == eventtype.Reserved:
		return "the name is reserved for Portico"
	}
	return ""
}

// maxText is how many characters of a description are taken.
const maxText = 2000

func textOf(o object, names ...string) string {
	for _, name := range names {
		if text, _ := o[name].(string); text != "" && !strings.ContainsRune(text, 0) {
			runes := []rune(text)
			return string(runes[:min(len(runes), maxText)])
		}
	}
	return ""
}

// bodyOf returns the JSON media type of an operation's body; nil if it has no body.
func (r *reader) bodyOf(post object) (object, error) {
	if post["requestBody"] == nil {
		return nil, nil
	}
	body, err := r.follow(post["requestBody"])
	if err != nil {
		return nil, err
	}
	content, _ := body["content"].(object)
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if base, _, _ := strings.Cut(name, ";"); base == "application/json" || strings.HasSuffix(base, "+json") {
			media, _ := content[name].(object)
			return media, nil
		}
	}
	return nil, errors.New("the body of the webhook is no JSON")
}

// dataOf returns the schema of an event's data: the body's, or what it says of `data`
// if it is the body of a delivery.
func (r *reader) dataOf(body any) (data any, enveloped bool) {
	s, err := r.follow(body)
	if err != nil {
		return body, false
	}
	properties, _ := s["properties"].(object)
	for _, name := range []string{"id", "type", "created_at", "data"} {
		if _, ok := properties[name]; !ok {
			return body, false
		}
	}
	return properties["data"], true
}

// fill sets the schema of a type and returns it compiled, or sets its problem.
func (r *reader) fill(f *Found, s any) *schema.Schema {
	whole, err := r.standalone(s)
	if err != nil {
		f.Problem = err.Error()
		return nil
	}
	if len(whole) == 1 && whole["description"] != nil { // says nothing about the data
		return nil
	}
	text, err := json.Marshal(whole)
	if err != nil {
		f.Problem = "the schema cannot be written"
		return nil
	}
	compiled, err := schema.Compile(text)
	if err != nil {
		f.Problem = "the schema " + err.Error()
		return nil
	}
	f.Schema = text
	return compiled
}
