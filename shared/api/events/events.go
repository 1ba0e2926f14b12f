// Package events has the operations that publish events and read them.
package events

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/event"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/observe"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// Tag groups the operations in the documentation.
const Tag = "Events"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

// Publish is POST /v1/events.
var Publish = edge.Write[publishInput, publishOutput]{
	Op: edge.Op{
		ID: "publishEvent", Method: http.MethodPost, Path: "/v1/events", Function: "publish",
		Faults:     []*fault.Error{event.ErrExternalIDUsed},
		Example:    `{"type":"invoice.paid","data":{"id":"in_1","total":1.10},"ordering_key":"customer_42"}`,
		Permission: auth.EventsWrite, Cost: 1, Audit: "event.publish", RecordedBy: edge.RecordedByEvent, Wakes: true, Status: http.StatusAccepted,
		// Room for the data and the other members.
		MaxBody: event.MaxData + 4<<10,
		Tag:     Tag, Summary: "Publish an event",
		Description: "#publishEvent",
	},
	Handle: publish,
}

// PublishBatch is POST /v1/events/batch.
var PublishBatch = edge.Write[publishBatchInput, publishBatchOutput]{
	Op: edge.Op{
		ID: "publishEventBatch", Method: http.MethodPost, Path: "/v1/events/batch", Function: "publish",
		Faults:     []*fault.Error{event.ErrExternalIDUsed},
		Example:    `{"events":[{"type":"invoice.paid","data":{"id":"in_1","total":1.10}},{"type":"customer.created","data":{"id":"cus_42"}}]}`,
		Permission: auth.EventsWrite, Cost: limit.CostsMuch, Audit: "event.publish", RecordedBy: edge.RecordedByEvent, Wakes: true, Status: http.StatusAccepted,
		MaxBody: 1 << 20,
		Tag:     Tag, Summary: "Publish up to 100 events",
		Description: "#publishEventBatch",
	},
	Handle: publishBatch,
}

// Get is GET /v1/events/{id}.
var Get = edge.Read[eventPath, eventOutput]{
	Op: edge.Op{
		ID: "getEvent", Method: http.MethodGet, Path: "/v1/events/{id}", Function: "events",
		Faults:     []*fault.Error{event.ErrNotFound},
		Permission: auth.EventsRead, Cost: 1, Access: "event.read", Tag: Tag, Summary: "Get an event with its data",
		Description: "delivery_count is the number of deliveries; skipped_endpoints says which endpoints do not get the event, and why.",
	},
	Handle: get,
}

type eventPath struct {
	ID id.Event `path:"id" doc:"The event's id." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type draftBody struct {
	Type         string          `json:"type" maxLength:"128" pattern:"^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$" patternDescription:"words of letters, digits and _ joined by dots" doc:"What happened." example:"invoice.paid"`
	Data         json.RawMessage `json:"data" doc:"Any JSON value of at most 256 KiB." example:"{\"id\":\"in_1\",\"total\":1.10}"`
	ExternalID   *string         `json:"external_id,omitempty" minLength:"1" maxLength:"255" doc:"#Event.external_id" example:"order_4711_paid"`
	ExpiresAfter *int            `json:"expires_after,omitempty" minimum:"1" maximum:"2592000" doc:"#Event.expires_after" example:"3600"`
	OrderingKey  *string         `json:"ordering_key,omitempty" minLength:"1" maxLength:"255" doc:"Ordered endpoints get events with the same key one after another, in the order in which they were stored." example:"customer_42"`
}

type publishInput struct {
	Preference
	Body  draftBody
	draft event.Draft // set by Check
}

type publishBatchInput struct {
	Preference
	Body struct {
		Events []draftBody `json:"events" minItems:"1" maxItems:"100" nullable:"false" doc:"The events to publish, in this order."`
	}
	drafts []event.Draft // set by Check
}

// EventSummary is an event without its data. It is exported because huma
// describes only embedded structs that are exported.
type EventSummary struct {
	ID             id.Event            `json:"id" doc:"The event's id." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Type           string              `json:"type" doc:"What happened." example:"invoice.paid"`
	OrderingKey    *string             `json:"ordering_key" doc:"The key by which deliveries are ordered; null if there is none." example:"customer_42"`
	ExternalID     *string             `json:"external_id" doc:"The id that the publisher has given it; null if there is none." example:"order_4711_paid"`
	TestEndpointID *id.WebhookEndpoint `json:"test_endpoint_id" doc:"The only webhook endpoint that gets it, because it is a test of it; null for all others." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	PublishedBy    *string             `json:"published_by" doc:"The id of the API key that published it; null if Portico did." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	CreatedAt      clock.Stamp         `json:"created_at" format:"date-time" doc:"When it was published."`
	ExpungedAt     *clock.Stamp        `json:"expunged_at" format:"date-time" doc:"When its data were removed on request; null if they were not."`
}

type eventBody struct {
	EventSummary
	Data          json.RawMessage   `json:"data" doc:"#Event.data" example:"{\"id\":\"in_1\",\"total\":1.10}"`
	DeliveryCount int               `json:"delivery_count" doc:"How many deliveries were made: one for each webhook endpoint that gets the event, including disabled ones." example:"2"`
	Skipped       []skippedEndpoint `json:"skipped_endpoints" nullable:"false" maxItems:"100" doc:"#Event.skipped_endpoints"`
}

// skippedEndpoint says why an endpoint does not get an event.
type skippedEndpoint struct {
	EndpointID id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Reason     string             `json:"reason" enum:"event_type,filter,disabled,created_later,changed_later,about_itself,test" doc:"#SkippedEndpoint.reason" example:"filter"`
}

// PublishedEvent is the reply of a publish. It has the data only on request,
// because the publisher has just sent them.
type PublishedEvent struct {
	EventSummary
	Data          json.RawMessage   `json:"data,omitempty" doc:"Only with Prefer: return=representation: the data without insignificant white space." example:"{\"id\":\"in_1\",\"total\":1.10}"`
	DeliveryCount int               `json:"delivery_count" doc:"How many deliveries were made: one for each webhook endpoint that gets the event, including disabled ones." example:"2"`
	UnknownType   bool              `json:"unknown_type" doc:"#PublishedEvent.unknown_type"`
	Skipped       []skippedEndpoint `json:"skipped_endpoints" nullable:"false" maxItems:"100" doc:"#Event.skipped_endpoints"`
}

// BatchedEvent is an event of a batch.
type BatchedEvent struct {
	EventSummary
	Data          json.RawMessage `json:"data,omitempty" doc:"Only with Prefer: return=representation: the data without insignificant white space." example:"{\"id\":\"in_1\",\"total\":1.10}"`
	DeliveryCount int             `json:"delivery_count" doc:"How many deliveries were made. GET /v1/events/{id} says which endpoints do not get the event, and why." example:"2"`
	UnknownType   bool            `json:"unknown_type" doc:"#PublishedEvent.unknown_type"`
	Replayed      bool            `json:"replayed" doc:"Whether an earlier publish with its external_id has made it, so that this one has changed nothing."`
}

type eventOutput struct{ Body eventBody }

type publishOutput struct {
	Location string `header:"Location"`
	Applied  string `header:"Preference-Applied"`
	Replayed string `header:"Idempotent-Replayed"`
	Body     PublishedEvent
}

type publishBatchOutput struct {
	Applied string `header:"Preference-Applied"`
	Body    struct {
		Data []BatchedEvent `json:"data" nullable:"false" doc:"The events, in the order in which they were sent."`
	}
}

func showEvent(e event.Event) EventSummary {
	return EventSummary{
		ID: e.ID, Type: e.Type, OrderingKey: e.OrderingKey, ExternalID: e.ExternalID, TestEndpointID: nullable(e.TestEndpointID),
		PublishedBy: edge.OrNull(e.PublishedBy), CreatedAt: clock.Stamp(e.CreatedAt), ExpungedAt: clock.StampOf(e.ExpungedAt),
	}
}

func showSkipped(skips []fanout.Skipped) []skippedEndpoint {
	skipped := make([]skippedEndpoint, len(skips))
	for i, s := range skips {
		skipped[i] = skippedEndpoint{EndpointID: s.Endpoint, Reason: s.Reason}
	}
	return skipped
}

// draftOf checks what the schema cannot express. at is the location of d.
func draftOf(d draftBody, at string) (event.Draft, error) {
	if len(d.Data) > event.MaxData {
		return event.Draft{}, &fault.Error{
			Kind: fault.TooLarge, Code: "body_too_large", Detail: "The data of an event may have at most 256 KiB.",
			Fields: []fault.Field{{Name: at + "data", Message: fmt.Sprintf("has %d bytes; the limit is %d", len(d.Data), event.MaxData)}},
		}
	}
	var operational error
	if webhook.IsOperational(d.Type) {
		operational = fault.InvalidField(at+"type", "is reserved for Portico: choose another type")
	}
	draft := event.Draft{Type: d.Type, Data: d.Data, OrderingKey: d.OrderingKey, ExternalID: d.ExternalID}
	if d.ExpiresAfter != nil {
		draft.ExpiresAfter = time.Duration(*d.ExpiresAfter) * time.Second
	}
	return draft, fault.Join(operational, edge.CheckText(at+"ordering_key", d.OrderingKey), edge.CheckText(at+"external_id", d.ExternalID))
}

// Resolve hands the input to the frame.
func (in *publishInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *publishInput) Check(*edge.Call) (err error) {
	in.draft, err = draftOf(in.Body, "body.")
	return err
}

// Resolve hands the input to the frame.
func (in *publishBatchInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *publishBatchInput) Check(*edge.Call) error {
	in.drafts = make([]event.Draft, len(in.Body.Events))
	faults := make([]error, len(in.drafts))
	for i, d := range in.Body.Events {
		in.drafts[i], faults[i] = draftOf(d, fmt.Sprintf("body.events[%d].", i))
	}
	return fault.Join(faults...)
}

func publish(c *edge.Call, in *publishInput) (*publishOutput, error) {
	events, err := publishAll(c, []event.Draft{in.draft})
	if err != nil {
		return nil, ofSingle(err)
	}
	e := events[0]
	return &publishOutput{
		Location: "/v1/events/" + e.ID.String(),
		Applied:  in.applied(),
		Replayed: replayedOf(e),
		Body:     PublishedEvent{showEvent(e), in.shown(in.draft.Data), e.Fanout.Deliveries, e.Unknown, showSkipped(e.Fanout.Skipped)},
	}, nil
}

func publishBatch(c *edge.Call, in *publishBatchInput) (*publishBatchOutput, error) {
	events, err := publishAll(c, in.drafts)
	if err != nil {
		return nil, err
	}
	out := &publishBatchOutput{Applied: in.applied()}
	out.Body.Data = make([]BatchedEvent, len(events))
	for i, e := range events {
		out.Body.Data[i] = BatchedEvent{showEvent(e), in.shown(in.drafts[i].Data), e.Fanout.Deliveries, e.Unknown, e.Replayed}
	}
	return out, nil
}

func publishAll(c *edge.Call, drafts []event.Draft) ([]event.Event, error) {
	actor := c.Caller.Actor.ID
	for i := range drafts {
		drafts[i].PublishedBy = actor
	}
	began := time.Now()
	events, due, err := event.PublishCached(c, c.Tx, c.Org, c.Subscriptions, drafts, c.Now())
	switch {
	case err == nil:
		c.Due(due...)
		c.Charge(caused(events))
		c.Measure(observe.One("Enqueued", observe.Count, float64(len(events))))
	case errors.Is(err, event.ErrSlow), isInvalid(err):
		c.Charge(time.Since(began).Milliseconds())
	}
	return events, err
}

// caused returns the work units of a publish: one for each event, delivery and item of an event consumer, and
// one for each millisecond that filters took.
func caused(events []event.Event) int64 {
	var matching time.Duration
	units := int64(len(events))
	for _, e := range events {
		units += int64(e.Fanout.Deliveries + e.Items)
		matching += e.Matching
	}
	return units + matching.Milliseconds()
}

func get(c *edge.Call, in *eventPath) (*eventOutput, error) {
	ev, err := event.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return showWhole(ev), nil
}
