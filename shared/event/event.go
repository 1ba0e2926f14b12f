// Package event stores and lists the events that customers' programs publish.
package event

import (
	"encoding/json"
	"time"

	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook/fanout"
)

// MaxData is the largest `data` of an event, in bytes as sent.
const MaxData = 256 << 10

// MaxBatch is how many events one batch may hold.
const MaxBatch = 100

// Event is a published event. Payload is the body that endpoints receive.
type Event struct {
	ID          id.Event
	Type        string
	OrderingKey *string
	// PublishedBy is the actor's id, as in audit entries; "": Portico itself.
	PublishedBy string
	CreatedAt   time.Time
	// ExternalID is the id that the publisher has given it; nil: none.
	ExternalID *string
	// TestEndpointID is the endpoint of which the event is a test; zero: it is none.
	TestEndpointID id.WebhookEndpoint
	// ExpungedAt is when its data were removed; nil: they were not.
	ExpungedAt *time.Time
	Payload    []byte
	// Fanout says which endpoints get the event. Publish and Get set it, List
	// does not.
	Fanout fanout.Fanout `db:"-"`
	// Replayed is set by Publish if an earlier publish with its external id has made
	// the event.
	Replayed bool `db:"-"`
	// Unknown is set by Publish if no endpoint names the type, and the catalog has not
	// got it.
	Unknown bool `db:"-"`
	// Items is how many event consumers get the event. Only Publish sets it.
	Items int `db:"-"`
	// Matching is how long Publish took to find the endpoints and to validate the
	// data: mostly filters and schemas.
	Matching time.Duration `db:"-"`
}

// Draft is an event before it is published. Data has the bytes as they were sent:
// numbers of any size, escapes and spaces reach the receiver unchanged.
type Draft struct {
	Type        string
	Data        json.RawMessage
	OrderingKey *string
	PublishedBy string
	// ExternalID makes publishing it again return the first event; nil: none.
	ExternalID *string
	// ExpiresAfter is how long after its publish its deliveries may be tried; 0: always.
	ExpiresAfter time.Duration
	// About is the endpoint that does not get an operational event because the
	// event is about it; zero for all other events.
	About id.WebhookEndpoint
	// IfWanted: without an endpoint that gets it the event is not written.
	IfWanted bool

	// Set by publishExternal; zero: Publish chooses them.
	id id.Event
	at time.Time
}

// ErrNotFound is returned when the event does not exist or belongs to another
// organization.
var ErrNotFound = fault.New(fault.NotFound, "event_not_found",
	"There is no event with this id.").
	Means("Your organization has no event with this id.")

// payload makes the body that all endpoints receive:
// {"id","type","created_at","data"}. The type is valid, so it needs no escaping.
func payload(e id.Event, d Draft, at time.Time) []byte {
	out := make([]byte, 0, len(d.Data)+len(d.Type)+128)
	out = append(out, `{"id":"`...)
	out = append(out, e.String()...)
	out = append(out, `","type":"`...)
	out = append(out, d.Type...)
	out = append(out, `","created_at":"`...)
	out = at.AppendFormat(out, clock.Form)
	out = append(out, `","data":`...)
	out = append(out, d.Data...)
	return append(out, '}')
}

// Data returns the data inside a payload, byte for byte.
func (e Event) Data() json.RawMessage {
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(e.Payload, &body); err != nil {
		return nil // cannot happen: payload wrote it
	}
	return body.Data
}
