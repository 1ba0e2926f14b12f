// Package openapi describes an organization's event types as an OpenAPI document, and
// reads event types from one.
package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"portico/shared/clock"
	"portico/shared/eventtype"
	"portico/shared/eventtype/schema"
)

// object is a JSON object.
type object = map[string]any

const schemasPath = "#/components/schemas/"

// Describe returns an OpenAPI 3.1 document that has each of an organization's event
// types as a webhook: the body of a delivery, whose `data` are the type's schema.
func Describe(organization string, types []eventtype.Type) ([]byte, error) {
	webhooks, schemas, groups := object{}, object{}, []string{}
	changed := time.Unix(0, 0)
	for _, t := range types {
		if t.UpdatedAt.After(changed) {
			changed = t.UpdatedAt
		}
		if t.Group != "" && !slices.Contains(groups, t.Group) {
			groups = append(groups, t.Group)
		}
		data := object{"description": "What happened."}
		if t.Schema != nil {
			d, err := schema.Parse(t.Schema)
			if err != nil {
				return nil, fmt.Errorf("openapi.Describe: %s: %w", t.Name, err)
			}
			schemas[t.Name] = d.Below(schemasPath + t.Name)
			data = object{"$ref": schemasPath + t.Name}
		}
		webhooks[t.Name] = object{"post": operation(t, data)}
	}
	slices.Sort(groups)
	tags := []object{}
	for _, group := range groups {
		tags = append(tags, object{"name": group, "description": "Events of the group " + group + "."})
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Events of " + organization, "version": changed.UTC().Format(clock.Form),
			"description": "What webhook endpoints of " + organization + " receive, sent by Portico.",
		},
		"servers": []any{object{"url": "https://receiver.invalid", "description": "The URL of your webhook endpoint."}},
		"tags":    tags, "webhooks": webhooks, "security": []any{},
		"components": object{"schemas": schemas},
	}
	out, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("openapi.Describe: %w", err)
	}
	return out, nil
}

// operation describes the request that delivers an event.
func operation(t eventtype.Type, data object) object {
	out := object{
		"operationId": t.Name, "summary": t.Name, "security": []any{},
		"parameters": []any{
			header("Webhook-Id", "The event's id: the same on every try. Use it to recognise a repetition."),
			header("Webhook-Signature", "Proves who has sent it."),
		},
		"requestBody": object{"required": true, "content": object{"application/json": media(t, data)}},
		"responses": object{
			"2XX": object{"description": "Received."},
			"4XX": object{"description": "Not received: it is sent again. After 410 nothing more is sent."},
		},
	}
	if t.Description != "" {
		out["description"] = t.Description
	}
	if t.Group != "" {
		out["tags"] = []string{t.Group}
	}
	if t.Archived != nil {
		out["deprecated"] = true
	}
	return out
}

func header(name, description string) object {
	return object{"name": name, "in": "header", "required": true, "description": description, "schema": object{"type": "string"}}
}

// sampleID and sampleTime are those of examples.
const (
	sampleID   = "evt_01jdf3z9k2e4nv6xq8r0s1t2v3"
	sampleTime = "2026-11-21T09:30:00.000000Z"
)

func media(t eventtype.Type, data object) object {
	out := object{"schema": object{
		"type": "object", "required": []string{"id", "type", "created_at", "data"},
		"properties": object{
			"id":         object{"type": "string", "description": "The event's id."},
			"type":       object{"const": t.Name, "description": "What happened."},
			"created_at": object{"type": "string", "format": "date-time", "description": "When it was published."},
			"data":       data,
		},
	}}
	examples := object{}
	for i, example := range t.Examples {
		examples[fmt.Sprintf("example_%d", i+1)] = object{
			"value": object{"id": sampleID, "type": t.Name, "created_at": sampleTime, "data": example},
		}
	}
	if len(examples) > 0 {
		out["examples"] = examples
	}
	return out
}
