package openapi

import (
	"encoding/json"
	"time"

	"portico/shared/eventtype"
)

// Sample returns event types that use all that a description shows. The description of
// them is checked by other programs.
func Sample() []eventtype.Type {
	now := time.Unix(1_795_253_400, 0)
	return []eventtype.Type{
		{
			Name: "invoice.paid", Description: "An invoice was paid.", Group: "billing", UpdatedAt: now,
			Schema: []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/x","type":"object","required":["id"],
				"properties":{"id":{"type":"string"},"customer":{"$ref":"#/$defs/customer"}},"$defs":{"customer":{"$ref":"#/$defs/person"},"person":{"type":"object","properties":{"email":{"type":["string","null"]}}}}}`),
			Examples: []json.RawMessage{[]byte(`{"id":"in_1","customer":{"email":null}}`)},
		},
		{Name: "order.made", Archived: &now, UpdatedAt: now, Schema: []byte(`{"type":"array","items":{"type":"object","additionalProperties":{"type":"number"}}}`)},
		{Name: "tree.grown", UpdatedAt: now, Schema: []byte(`{"$dynamicAnchor":"node","type":"object","properties":{"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}`)},
		{Name: "user.gone", Description: "Gone.", UpdatedAt: now},
	}
}
