package events

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/event"
	"portico/shared/fault"
)

// Expunge is POST /v1/events/{id}/expunge.
var Expunge = edge.Write[eventPath, eventOutput]{
	Op: edge.Op{
		ID: "expungeEvent", Method: http.MethodPost, Path: "/v1/events/{id}/expunge", Function: "events",
		Faults:     []*fault.Error{event.ErrNotFound},
		Permission: auth.EventsDelete, Cost: 5, Audit: "event.expunge", Wakes: true, Tag: Tag, Summary: "Remove an event's data for good",
		Description: "#expungeEvent",
	},
	Handle: expunge,
}

func expunge(c *edge.Call, in *eventPath) (*eventOutput, error) {
	before, after, due, err := event.Expunge(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	fields := func(e event.Event) audit.Fields { return audit.Fields{"expunged": e.ExpungedAt != nil} }
	c.Audit(fields(before), fields(after), audit.Of("event", in.ID))
	c.Due(due...)
	return showWhole(after), nil
}

// showWhole shows an event with its data and its fan-out.
func showWhole(e event.Event) *eventOutput {
	return &eventOutput{Body: eventBody{showEvent(e), e.Data(), e.Fanout.Deliveries, showSkipped(e.Fanout.Skipped)}}
}
