package apitest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"portico/shared/api"
)

// description is the published OpenAPI document.
type description struct {
	Document map[string]any
	mu       sync.Mutex
	compiler *jsonschema.Compiler // compiles each schema once
}

// Published is the description that all tests use. Its schemas are strict: an
// unknown member is an error here, though clients must ignore it.
var Published = sync.OnceValue(func() *description {
	text, err := api.OpenAPI()
	if err != nil {
		panic(err)
	}
	d := &description{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(text, &d.Document); err != nil {
		panic(err)
	}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	seal(strict)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", strict); err != nil {
		panic(err)
	}
	return d
})

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
func (d *description) At(names ...string) map[string]any {
	found := d.Document
	for _, name := range names {
		found, _ = found[name].(map[string]any)
	}
	return found
}

// Follow returns the path of names, or the path to which a $ref there leads; nil
// if there is nothing.
func (d *description) Follow(names ...string) []string {
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
func (d *description) Check(text []byte, names ...string) error {
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

var parameter = regexp.MustCompile(`\{\w+\}`)

// operation returns the path of a request's operation as the description writes
// it, or "" if there is none.
func (d *description) operation(r *http.Request) string {
	method := strings.ToLower(r.Method)
	if d.At("paths", r.URL.Path, method) != nil {
		return r.URL.Path
	}
	for path := range d.At("paths") {
		form := regexp.MustCompile("^" + parameter.ReplaceAllString(path, "[^/]+") + "$")
		if form.MatchString(r.URL.Path) && d.At("paths", path, method) != nil {
			return path
		}
	}
	return ""
}

// checkAgainstDescription compares the reply to every call of every test with the
// published description: its status, media type, problem code and every member,
// also null ones, must be described.
func (c Caller) checkAgainstDescription(r *http.Request, w *httptest.ResponseRecorder) {
	c.T.Helper()
	d := Published()
	path := d.operation(r)
	if path == "" {
		return
	}
	at := d.Follow("paths", path, strings.ToLower(r.Method), "responses", strconv.Itoa(w.Code))
	if at == nil {
		c.T.Errorf("%s %s answered %d %s, which is not described", r.Method, path, w.Code, w.Body)
		return
	}
	if w.Body.Len() == 0 {
		return
	}
	at = append(at, "content", w.Header().Get("Content-Type"), "schema")
	if d.At(at...) == nil {
		c.T.Errorf("%s %s answered %d as %s, which is not described", r.Method, path, w.Code, w.Header().Get("Content-Type"))
		return
	}
	if err := d.Check(w.Body.Bytes(), at...); err != nil {
		c.T.Errorf("%s %s: %d %s does not match its description: %v", r.Method, path, w.Code, w.Body, err)
	}
}
