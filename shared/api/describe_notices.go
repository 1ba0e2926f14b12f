package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// member describes a member of the data of an operational event.
type member struct {
	text    string
	example any // nil: none
	format  string
	enum    []any
}

// noticeMembers describes the members that operational events have, by name; one
// that means something else in one type stands below "type member".
var noticeMembers = map[string]member{
	"endpoint_id":   {text: "The webhook endpoint that the event is about.", example: "we_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"failing_since": {text: "When the first of the failed tries was made; null if none is known.", example: "2026-11-21T08:10:00.000000Z", format: "date-time"},
	"failures":      {text: "How many tries have failed in a row.", example: int32(5)},
	"last_error":    {text: "Why the last try failed.", example: "answered 503, expected 2xx"},
	"reason":        {text: "gone: it answered 410; failing: all tries failed for days.", enum: []any{"gone", "failing"}},
	"delivery_id":   {text: "The delivery that has failed.", example: "dlv_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"event_id":      {text: "The event that was not delivered.", example: "evt_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"event_type":    {text: "The event's type.", example: "invoice.paid"},
	"attempt_count": {text: "How many tries were made.", example: int16(8)},
	"status_code":   {text: "The status code of the last response; null without a response.", example: int16(503)},
	"subject":       {text: "The subject of the certificate.", example: "CN=portico,O=Acme"},
	"expires_at":    {text: "When the certificate expires: servers refuse it from then on.", example: "2026-12-21T09:30:00.000000Z", format: "date-time"},

	"message": {text: "For people.", example: "This is a test of the webhook endpoint."},

	"mail_id":   {text: "The mail.", example: "mail_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"template":  {text: "The template from which it is made.", example: "member_added"},
	"recipient": {text: "The mail address.", example: "ada@example.com"},
	"at":        {text: "When it happened.", example: "2026-11-21T08:10:00.000000Z", format: "date-time"},
	"bounce":    {text: "permanent: the address does not exist. transient: it could not be reached. undetermined: the reason is not known.", enum: []any{"permanent", "transient", "undetermined"}},
	"detail":    {text: "What the recipient's server said; may be empty.", example: "smtp; 550 5.1.1 user unknown"},

	"mail.suppressed reason":                            {text: "Why it is not sent, in words.", example: "The address gets no mail at the moment (bounce)."},
	"delivery.exhausted endpoint_id":                    {text: "The webhook endpoint that did not accept it.", example: "we_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"webhook_endpoint.test endpoint_id":                 {text: "The webhook endpoint that is tested.", example: "we_01jdf3z9k2e4nv6xq8r0s1t2v3"},
	"webhook_endpoint.certificate_expiring endpoint_id": {text: "The webhook endpoint that has the certificate.", example: "we_01jdf3z9k2e4nv6xq8r0s1t2v3"},
}

// describeNotice adds the descriptions to the schema of an operational event's
// data. A member without one is an error.
func describeNotice(eventType string, data *huma.Schema) error {
	for name, property := range data.Properties {
		m, ok := noticeMembers[eventType+" "+name]
		if !ok {
			m, ok = noticeMembers[name]
		}
		if !ok {
			return fmt.Errorf("the member %s of the operational event %s has no description: add it to noticeMembers in shared/api/describe_notices.go", name, eventType)
		}
		property.Description, property.Enum = m.text, m.enum
		if m.format != "" {
			property.Format = m.format
		}
		if m.example != nil {
			property.Examples = []any{m.example}
		}
	}
	return nil
}
