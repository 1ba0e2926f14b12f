package events

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/event"
	"portico/shared/fault"
	"portico/shared/id"
)

// List is GET /v1/events.
var List = edge.Read[listEventsInput, listEventsOutput]{
	Op: edge.Op{
		ID: "listEvents", Method: http.MethodGet, Path: "/v1/events", Function: "events",
		Permission: auth.EventsRead, Scoped: true, Cost: 1, Access: "event.read", Tag: Tag, Summary: "List events",
		Description: "#listEvents",
	},
	Handle: list,
}

type listEventsInput struct {
	edge.Page
	Type     string    `query:"type" maxLength:"128" pattern:"^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*(\\.\\*)?$" patternDescription:"a type such as invoice.paid, or a prefix such as invoice.*" doc:"Only events with this type or prefix." example:"invoice.paid"`
	Key      string    `query:"ordering_key" maxLength:"255" doc:"Only events with this ordering key." example:"customer_42"`
	External string    `query:"external_id" maxLength:"255" doc:"Only the event that was published with this external_id." example:"order_4711_paid"`
	Since    time.Time `query:"since" doc:"Only events that were published at this time or later." example:"2026-11-01T00:00:00Z"`
	Until    time.Time `query:"until" doc:"Only events that were published before this time." example:"2026-12-01T00:00:00Z"`
}

type listEventsOutput struct{ Body edge.List[EventSummary] }

// Resolve hands the input to the frame.
func (in *listEventsInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *listEventsInput) Check(*edge.Call) error {
	return fault.Join(edge.CheckText("query.ordering_key", &in.Key), edge.CheckText("query.external_id", &in.External))
}

func list(c *edge.Call, in *listEventsInput) (*listEventsOutput, error) {
	filter := event.Filter{Type: in.Type, OrderingKey: in.Key, ExternalID: in.External, Since: in.Since, Until: in.Until, Among: edge.Granted[id.Event](c)}
	if err := c.Position("events", in.After, (*[16]byte)(&filter.After.UUID)); err != nil {
		return nil, err
	}
	events, scanned, err := event.List(c, c.Tx, c.Org, filter, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := func(last id.Event) *string { return c.Cursor("events", last.UUID) }
	list := edge.ListOf(events, in.Limit, showEvent, func(last event.Event) *string { return next(last.ID) })
	if list.Next == nil && !scanned.IsZero() {
		list.Next = next(scanned)
	}
	return &listEventsOutput{Body: list}, nil
}
