package edge

import (
	"strings"

	"portico/shared/fault"
)

// Field is one wrong field of a request.
type Field struct {
	Location string `json:"location" doc:"Where the wrong value is: a dotted path that starts with body, path, query or header." example:"body.url"`
	Message  string `json:"message" doc:"What is wrong with it and what is expected." example:"must be an absolute URL with https"`
}

// fieldsOf says where in the request the wrong fields of a fault are.
func fieldsOf(f *fault.Error) []Field {
	var fields []Field
	for _, field := range f.Fields {
		fields = append(fields, Field{locationOf(field.Name), field.Message})
	}
	return fields
}

// locationOf returns where a field is: in the body, unless its name says that it
// is somewhere else. Below the edge nobody says so.
func locationOf(name string) string {
	switch part, _, _ := strings.Cut(name, "."); part {
	case "body", "path", "query", "header":
		return name
	}
	return "body." + name
}

// hints say how to go on with the API, behind a fault's own sentence, by code.
var hints = map[string]string{
	"api_key_invalid":            "Send `Authorization: Bearer ptc_…` with a key of your organization.",
	"webhook_endpoint_not_found": "List yours with GET /v1/webhook-endpoints.",
	"event_not_found":            "List yours with GET /v1/events.",
	"delivery_not_found":         "List yours with GET /v1/deliveries.",
	"member_not_found":           "List yours with GET /v1/members.",
	"role_not_found":             "List yours with GET /v1/roles.",
	"role_is_predefined":         "Create a role of your own with POST /v1/roles.",
	"resource_grant_not_found":   "List a member's with GET /v1/resource-grants?member_id=mem_….",
	"ordering_key_not_paused":    "GET /v1/webhook-endpoints/{id}/ordering-keys shows which are.",
}

// detailOf returns what a fault says and how to go on.
func detailOf(f *fault.Error) string {
	if hint := hints[f.Code]; hint != "" {
		return f.Detail + " " + hint
	}
	return f.Detail
}

// Hint adds to every wrong field of a fault how to go on with the API. Any other
// error stays as it is.
func Hint(err error, hint string) error {
	f := fault.Of(err)
	if f == nil || len(f.Fields) == 0 {
		return err
	}
	with := *f
	with.Fields = nil
	for _, field := range f.Fields {
		with.Fields = append(with.Fields, fault.Field{Name: field.Name, Message: field.Message + ". " + hint})
	}
	return &with
}
