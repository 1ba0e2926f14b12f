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

// fieldsOf returns the wrong fields of a fault with their location in the
// request.
func fieldsOf(f *fault.Error) []Field {
	var fields []Field
	for _, field := range f.Fields {
		fields = append(fields, Field{locationOf(field.Name), field.Message})
	}
	return fields
}

// locationOf returns the location of a field: in the body, unless its name starts
// with another part of the request. Packages below the edge know no such parts.
func locationOf(name string) string {
	switch part, _, _ := strings.Cut(name, "."); part {
	case "body", "path", "query", "header":
		return name
	}
	return "body." + name
}

// hints say what to do next with the API. They follow the fault's own sentence,
// by code.
var hints = map[string]string{
	"api_key_invalid":            "Send `Authorization: Bearer ptc_…` with a key of your organization.",
	"webhook_endpoint_not_found": "List yours with GET /v1/webhook-endpoints.",
	"event_not_found":            "List yours with GET /v1/events.",
	"event_type_not_found":       "List yours with GET /v1/event-types.",
	"delivery_not_found":         "List yours with GET /v1/deliveries.",
	"member_not_found":           "List yours with GET /v1/members.",
	"role_not_found":             "List yours with GET /v1/roles.",
	"role_is_predefined":         "Create a role of your own with POST /v1/roles.",
	"resource_grant_not_found":   "List a member's with GET /v1/resource-grants?member_id=mem_….",
	"mail_template_not_found":    "List them with GET /v1/staff/mail-templates.",
	"ordering_key_not_paused":    "GET /v1/webhook-endpoints/{id}/ordering-keys lists the paused ones.",
}

// detailOf returns a fault's sentence with its hint.
func detailOf(f *fault.Error) string {
	if hint := hints[f.Code]; hint != "" {
		return f.Detail + " " + hint
	}
	return f.Detail
}

// Hint adds a hint to every wrong field of a fault. It does not change other
// errors.
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
