package webhooks

import (
	"encoding/json"
	"errors"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/event"
	"portico/shared/eventtype"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook"
)

// errEndpointDisabled is returned for a test of a disabled endpoint: its delivery would
// be held, and nobody would see whether the endpoint works.
var errEndpointDisabled = fault.New(fault.Conflict, "webhook_endpoint_disabled",
	"This webhook endpoint is disabled, so the test would be held. Enable the endpoint first.").
	Means("The webhook endpoint is disabled: enable it before you test it.")

// TestEndpoint is POST /v1/webhook-endpoints/{id}/test.
var TestEndpoint = edge.Write[testEndpointInput, testEndpointOutput]{
	Op: edge.Op{
		ID: "testWebhookEndpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/test", Function: endpointsFunction, Status: http.StatusAccepted,
		Faults:  []*fault.Error{webhook.ErrEndpointNotFound, errEndpointDisabled},
		Example: `{"event_type":"invoice.paid","data":{"id":"in_1","total":1.10}}`,
		// Not webhook_endpoints:write: a receiver cannot know the event from a published one.
		Permission: auth.EventsWrite, Cost: 2, Audit: "webhook_endpoint.test", RecordedBy: edge.RecordedByEvent, Wakes: true,
		MaxBody: event.MaxData + 4<<10,
		Tag:     Tag, Summary: "Send a test event to a webhook endpoint",
		Description: "#testWebhookEndpoint",
	},
	Handle: testEndpoint,
}

type testEndpointInput struct {
	EndpointPath
	Body struct {
		EventType *string         `json:"event_type,omitempty" maxLength:"128" pattern:"^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$" patternDescription:"words of letters, digits and _ joined by dots" doc:"The event's type; webhook_endpoint.test if you do not say." example:"invoice.paid"`
		Data      json.RawMessage `json:"data,omitempty" doc:"The event's data; if you do not say, an example of the type in your event catalog, or a message that this is a test." example:"{\"id\":\"in_1\",\"total\":1.10}"`
	}
}

type testEndpointOutput struct {
	Body struct {
		EventID    id.Event    `json:"event_id" doc:"The test event." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
		EventType  string      `json:"event_type" doc:"Its type." example:"invoice.paid"`
		DeliveryID id.Delivery `json:"delivery_id" doc:"Its delivery: it shows whether the endpoint has accepted the event." example:"dlv_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	}
}

// Resolve hands the input to the frame.
func (in *testEndpointInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *testEndpointInput) Check(*edge.Call) error {
	if t := in.Body.EventType; t != nil && *t != webhook.EventTest && webhook.IsOperational(*t) {
		return fault.InvalidField("body.event_type", "is reserved for Portico: choose another type")
	}
	return nil
}

func testEndpoint(c *edge.Call, in *testEndpointInput) (*testEndpointOutput, error) {
	endpoint, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	if endpoint.Status == webhook.Disabled {
		return nil, errEndpointDisabled
	}
	actor := c.Caller.Actor.ID
	draft := event.Draft{Type: webhook.EventTest, Data: in.Body.Data, PublishedBy: actor}
	if in.Body.EventType != nil {
		draft.Type = *in.Body.EventType
	}
	if draft.Data == nil {
		if draft.Data, err = example(c, draft.Type, in.ID); err != nil {
			return nil, err
		}
	}
	e, delivery, err := event.PublishTest(c, c.Tx, c.Org, in.ID, draft, c.Now())
	if err != nil {
		return nil, err
	}
	c.Due(in.ID)
	out := &testEndpointOutput{}
	out.Body.EventID, out.Body.EventType, out.Body.DeliveryID = e.ID, e.Type, delivery
	return out, nil
}

// example returns data for a test event: an example of the type, if the catalog has one.
func example(c *edge.Call, eventType string, endpoint id.WebhookEndpoint) (json.RawMessage, error) {
	t, err := eventtype.Get(c, c.Tx, c.Org, eventType)
	if err != nil && !errors.Is(err, eventtype.ErrNotFound) {
		return nil, err
	}
	if len(t.Examples) > 0 {
		return t.Examples[0], nil
	}
	return webhook.NewNotice(c.Org, endpoint, webhook.TestNotice{EndpointID: endpoint, Message: "This is a test of the webhook endpoint."}).Data, nil
}
