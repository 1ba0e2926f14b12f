package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/shared/eventtype/openapi"
	"portico/shared/eventtype/schema"
)

// read returns what was found: name, group, description, examples and schema, or the
// problem; one type per line.
func read(t *testing.T, document string, components map[string]string) string {
	t.Helper()
	list, err := openapi.Read(context.Background(), []byte(document), components)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, f := range list {
		if f.Problem != "" {
			lines = append(lines, f.Name+": "+f.Problem)
			continue
		}
		examples, err := json.Marshal(f.Examples)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s: %s|%s|%s|%s", f.Name, f.Group, f.Description, examples, f.Schema))
	}
	return strings.Join(lines, "\n")
}

func webhook(name, body string) string {
	return fmt.Sprintf(`{"openapi":"3.1.0","webhooks":{%q:{"post":{"summary":"S.","tags":["billing","x"],"requestBody":{"content":{"application/json":%s}}}}},
		"components":{"schemas":{"Invoice":{"type":"object","properties":{"customer":{"$ref":"#/components/schemas/Customer"},"parts":{"items":{"$ref":"#/components/schemas/Invoice"}}}},
		"Customer":{"type":"string"},"s1":{"type":"null"},"Away":{"$ref":"https://example.com/a.json"},"Round":{"$ref":"#/components/schemas/Round"}}}}`, name, body)
}

// What an import finds in a document, and why it takes some types not.
func TestRead(t *testing.T) {
	invoice := `{"$defs":{"Customer":{"type":"string"}},"properties":{"customer":{"$ref":"#/$defs/Customer"},"parts":{"items":{"$ref":"#"}}},"type":"object"}`
	for _, tt := range []struct {
		name, document string
		components     map[string]string
		want           string
	}{
		{"references", webhook("a", `{"schema":{"$ref":"#/components/schemas/Invoice"}}`), nil, `a: billing|S.|null|` + invoice},
		{"an envelope", webhook("a", `{"schema":{"properties":{"id":{},"type":{},"created_at":{},"data":{"type":"string"}}},"example":{"data":"x"},"examples":{"b":{"value":{"data":"y"}},"c":{"value":{"data":1}}}}`), nil,
			`a: billing|S.|["x","y"]|{"type":"string"}`},
		{"an example that does not match", webhook("a", `{"schema":{"type":"string"},"example":1}`), nil, `a: billing|S.|null|{"type":"string"}`},
		{"no schema", webhook("a", `{}`), nil, `a: billing|S.|null|`},
		{"a name of the reader", webhook("a", `{"schema":{"anyOf":[{"$ref":"#/components/schemas/s1"},{"$ref":"#/components/schemas/Customer/type/.."},{"$ref":"#/components/schemas/Customer"}]}}`), nil,
			`a: the document has nothing at the reference "#/components/schemas/Customer/type/.."`},
		{"a reference out of it", webhook("a", `{"schema":{"$ref":"#/components/schemas/Away"}}`), nil, `a: the reference "https://example.com/a.json" leads out of the document, and nothing is fetched`},
		{"a reference to itself", webhook("a", `{"schema":{"$ref":"#/components/schemas/Round"}}`), nil, `a: a reference leads to too many others`},
		{"a wrong schema", webhook("a", `{"schema":{"type":"text"}}`), nil, `a: the schema must be a JSON Schema of draft 2020-12: at /type it is not: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'`},
		{"a wrong name", webhook("a b", `{}`), nil, `a b: the name must be words of letters, digits and _ joined by dots`},
		{"a reserved name", webhook("webhook_endpoint.failing", `{}`), nil, `webhook_endpoint.failing: the name is reserved for Portico`},
		{"components", webhook("a", `{}`), map[string]string{"Customer": "customer.created", "Absent": "b", "Invoice": "a"},
			"a: billing|S.|null|\na: the document has another event type with this name\nb: the document has no schema \"Absent\"\ncustomer.created: |||{\"type\":\"string\"}"},
		{"OpenAPI 3.0", `{"openapi":"3.0.3","x-webhooks":{"a":{"post":{"requestBody":{"$ref":"#/components/requestBodies/A"}}}},"components":{"requestBodies":{"A":{"content":{"application/cloudevents+json; charset=utf-8":
			{"schema":{"type":"string","nullable":true,"enum":["x"],"properties":{"nullable":{"type":"number","minimum":1,"exclusiveMinimum":true,"exclusiveMaximum":false}}}}}}}}}`, nil,
			`a: ||null|{"enum":["x",null],"properties":{"nullable":{"exclusiveMinimum":1,"type":"number"}},"type":["string","null"]}`},
		{"no POST", `{"openapi":"3.1.0","webhooks":{"a":{"get":{}}}}`, nil, `a: the webhook has no POST`},
		{"no JSON body", `{"openapi":"3.1.0","webhooks":{"a":{"post":{"requestBody":{"content":{"text/plain":{}}}}}}}`, nil, `a: the body of the webhook is no JSON`},
		{"no types", `{"openapi":"3.1.0"}`, nil, `has no event types: it needs webhooks or x-webhooks; or name schemas in components`},
		{"an older version", `{"swagger":"2.0"}`, nil, `must be an OpenAPI document of version 3.0 or 3.1: openapi must be 3.0.x or 3.1.x`},
		{"no object", `[]`, nil, `must be an OpenAPI document: a JSON object`},
		{"too deep", `{"openapi":"3.1.0","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, nil, `nests objects and lists more than 64 deep`},
	} {
		if got := read(t, tt.document, tt.components); normal(got) != normal(tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func normal(text string) string { return strings.ReplaceAll(text, "|null|", "||") }

// Many references to large parts cannot make the copies larger than the limits.
func TestCopiesAreBounded(t *testing.T) {
	var schemas, webhooks []string
	for i := range 100 {
		schemas = append(schemas, fmt.Sprintf(`"A%d":{"description":"%s","anyOf":[{"$ref":"#/components/schemas/A%d"},{"$ref":"#/components/schemas/A%d"}]}`, i, strings.Repeat("x", 5000), (i+1)%100, (i+7)%100))
		webhooks = append(webhooks, fmt.Sprintf(`"a.b%d":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A%d"}}}}}}`, i, i))
	}
	got := read(t, `{"openapi":"3.1.0","webhooks":{`+strings.Join(webhooks, ",")+`},"components":{"schemas":{`+strings.Join(schemas, ",")+`}}}`, nil)
	if !strings.Contains(got, "a.b0: the schema has more than 65536 bytes with all that it refers to") || !strings.Contains(got, "import it in parts") {
		t.Error(got)
	}
}

// What Describe writes, Read finds again.
func TestDescribedTypesAreReadAgain(t *testing.T) {
	types := openapi.Sample()
	document, err := openapi.Describe("Acme", types)
	if err != nil {
		t.Fatal(err)
	}
	found, err := openapi.Read(context.Background(), document, nil)
	if err != nil || len(found) != len(types) {
		t.Fatalf("%d types, %v", len(found), err)
	}
	for i, f := range found {
		want := types[i]
		if f.Name != want.Name || f.Problem != "" || f.Group != want.Group || f.Description != want.Description || !want.MatchesSchema(f.Schema) || len(f.Examples) != len(want.Examples) {
			t.Errorf("%s: %+v, schema %s", want.Name, f, f.Schema)
		}
	}
	for _, part := range []string{`"deprecated":true`, `"const":"invoice.paid"`, `"$ref":"#/components/schemas/invoice.paid/$defs/customer"`, `"tags":["billing"]`} {
		if !strings.Contains(string(document), part) {
			t.Errorf("%s is not in %s", part, document)
		}
	}
}

// Whatever the document, a type that can be imported has a valid name and a schema
// that compiles, and reading it again finds the same.
func FuzzRead(f *testing.F) {
	described, err := openapi.Describe("Acme", openapi.Sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(described), "invoice.paid", "a.b")
	f.Add(webhook("a", `{"schema":{"$ref":"#/components/schemas/Invoice"}}`), "Customer", "c")
	f.Add(`{"openapi":"3.0.3","x-webhooks":{"a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"nullable":true,"type":"string"}}}}}}}}`, "", "")
	f.Fuzz(func(t *testing.T, document, component, name string) {
		components := map[string]string{component: name}
		found, err := openapi.Read(context.Background(), []byte(document), components)
		if err != nil {
			return
		}
		again, err := openapi.Read(context.Background(), []byte(document), components)
		if err != nil || fmt.Sprint(found) != fmt.Sprint(again) {
			t.Fatalf("%v, then %v %v", found, again, err)
		}
		for _, one := range found {
			if one.Problem != "" || one.Schema == nil {
				continue
			}
			if _, err := schema.Compile(one.Schema); err != nil {
				t.Errorf("%s: %v", one.Schema, err)
			}
		}
	})
}
