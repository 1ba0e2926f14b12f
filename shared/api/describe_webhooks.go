package api

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/edge"
	"portico/shared/api/webhooks"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/webhook"
)

// deliveredBody is the body of a delivery, as package webhook writes it.
type deliveredBody struct {
	ID        id.Event        `json:"id" doc:"The event's id: the same on every try and at every endpoint." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Type      string          `json:"type" doc:"What happened." example:"invoice.paid"`
	CreatedAt clock.Stamp     `json:"created_at" format:"date-time" doc:"When it was published."`
	Data      json.RawMessage `json:"data" doc:"The event's data, byte for byte as they were published." example:"{\"id\":\"in_1\",\"total\":1.10}"`
}

// describeWebhooks says what webhook endpoints receive: an event of yours, and
// every operational event.
func describeWebhooks(d *huma.OpenAPI) error {
	d.Webhooks = map[string]*huma.PathItem{
		"event": {Post: delivered("event", "An event of yours",
			"Every event that you publish, at each endpoint that subscribes to its type.", inline(reflect.TypeFor[deliveredBody]()))},
	}
	for _, o := range webhook.Operational() {
		body := inline(reflect.TypeFor[deliveredBody]())
		body.Properties["type"].Enum, body.Properties["type"].Examples = []any{o.Type}, nil
		data := inline(reflect.TypeOf(o.Data))
		if err := describeNotice(o.Type, data); err != nil {
			return err
		}
		body.Properties["data"] = data
		body.Properties["data"].Description = "What it tells."
		d.Webhooks[o.Type] = &huma.PathItem{Post: delivered(o.Type, "Portico tells: "+o.Type, o.Meaning+
			" Only endpoints that subscribe to this type by its name or prefix get it.", body)}
	}
	return nil
}

// inline returns the schema of a type with no reference in it: generators drop
// components that only webhooks refer to, and do not find them any more.
func inline(t reflect.Type) *huma.Schema {
	return huma.NewMapRegistry(edge.SchemasPath, edge.SchemaName).Schema(t, false, "")
}

func delivered(name, summary, description string, body *huma.Schema) *huma.Operation {
	return &huma.Operation{
		OperationID: "on" + camel(name), Tags: []string{webhooks.Tag}, Summary: summary, Description: description,
		Security: []map[string][]string{}, // the signature proves who calls
		Parameters: []*huma.Param{
			deliveryHeader("Webhook-Id", true, "The event's id. Use it to recognise a repetition.", "evt_01jdf3z9k2e4nv6xq8r0s1t2v3"),
			deliveryHeader("Webhook-Signature", true, "By the endpoint's `signature_scheme`: `t=<unix seconds>,v1=<hex>` of portico, `v1,<base64>` of standard, `v1a,<base64>` of standard_asymmetric.",
				"t=1795253400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"),
			deliveryHeader("Webhook-Timestamp", false, "When it was signed, in Unix seconds; of the Standard Webhooks schemes only.", "1795253400"),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: body}}},
		Responses: map[string]*huma.Response{
			"2XX":     {Description: "Received. The delivery is done."},
			"410":     {Description: "Gone: the endpoint is disabled, and gets nothing more."},
			"default": {Description: "#delivery.failed"},
		},
	}
}

func deliveryHeader(name string, required bool, text, example string) *huma.Param {
	return &huma.Param{
		Name: name, In: "header", Required: required, Description: text, Example: example, Schema: &huma.Schema{Type: huma.TypeString},
	}
}

// camel joins the words of a code or an event type: TooManyRoles of too_many_roles.
func camel(text string) (out string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == '_' || r == '.' }) {
		out += strings.ToUpper(word[:1]) + word[1:]
	}
	return out
}
