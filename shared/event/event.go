// Package event holds what customers' programs publish.
package event

import (
	"encoding/json"
	"time"

	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook"
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
	// PublishedBy is the actor's id, as audit entries name it; "": Portico itself.
	PublishedBy string
	CreatedAt   time.Time
	Payload     []byte
	// Fanout is who gets the event: after Publish and Get, not in lists.
	Fanout webhook.Fanout `db:"-"`
}

// Draft is an event before it is published. Data keeps the bytes it was sent
// with: numbers of any size, escapes and spacing reach the receiver unchanged.
type Draft struct {
	Type        string
	Data        json.RawMessage
	OrderingKey *string
	PublishedBy string
	// About is the endpoint that an operational event is about and that does not
	// receive it; zero in all other events.
	About id.WebhookEndpoint
}

// ErrNotFound answers for an event that is missing or another organization's.
var ErrNotFound = fault.New(fault.NotFound, "event_not_found",
	"There is no event with this id.").
	Means("Your organization has no event with this id.")

// payload assembles the body once: {"id","type","created_at","data"}. Type is a
// valid event type and needs no escaping.
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
		return nil // payload wrote it
	}
	return body.Data
}
