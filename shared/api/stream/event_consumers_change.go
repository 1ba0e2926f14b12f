package stream

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/consumer"
	"portico/shared/fault"
	"portico/shared/webhook/signing"
)

// UpdateConsumer is PATCH /v1/event-consumers/{id}.
var UpdateConsumer = edge.Write[updateConsumerInput, consumerOutput]{
	Op: edge.Op{
		ID: "updateEventConsumer", Method: http.MethodPatch, Path: "/v1/event-consumers/{id}", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound, consumer.ErrReadsDeadLetters},
		Example:    `{"event_types":["invoice.*","customer.created"]}`,
		Permission: auth.EventConsumersWrite, Cost: 1, Audit: "event_consumer.update",
		Tag: Tag, Summary: "Change an event consumer",
		Description: "A change affects events that are published after it. Items that the consumer has not acknowledged stay.",
	},
	Handle: updateConsumer,
}

// DeleteConsumer is DELETE /v1/event-consumers/{id}.
var DeleteConsumer = edge.Write[ConsumerPath, struct{}]{
	Op: edge.Op{
		ID: "deleteEventConsumer", Method: http.MethodDelete, Path: "/v1/event-consumers/{id}", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Permission: auth.EventConsumersWrite, Cost: 1, Audit: "event_consumer.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete an event consumer",
		Description: "The items that it has not acknowledged are lost. Its name can be used again.",
	},
	Handle: deleteConsumer,
}

// RotateConsumerSecret is POST /v1/event-consumers/{id}/rotate-secret.
var RotateConsumerSecret = edge.Write[rotateConsumerInput, createdConsumerOutput]{
	Op: edge.Op{
		ID: "rotateEventConsumerSecret", Method: http.MethodPost, Path: "/v1/event-consumers/{id}/rotate-secret", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.EventConsumersWrite, Fresh: true, Cost: 1, Audit: "event_consumer.rotate_secret",
		Tag: Tag, Summary: "Give an event consumer a new secret",
		Description: "Until the overlap ends, items have a signature by the old secret too.",
	},
	Handle: rotateConsumerSecret,
}

type updateConsumerInput struct {
	ConsumerPath
	Body struct {
		Description *string  `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		EventTypes  []string `json:"event_types,omitempty" minItems:"1" maxItems:"100" nullable:"false" pattern:"^(\\*|(group:)?[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*\\.\\*)$" patternDescription:"a type such as invoice.paid, a prefix such as invoice.*, a group such as group:billing, or *" doc:"The types of events to read."`
		Filter      *string  `json:"filter,omitempty" maxLength:"1024" doc:"An expression over type and data; empty: all events of these types."`
	}
}

type rotateConsumerInput struct {
	ConsumerPath
	Body *struct {
		OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old secret signs too: at most seven days. Send 0 if it has leaked: it ends at once."`
	}
}

// Resolve hands the input to the frame.
func (in *updateConsumerInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateConsumerInput) Check(*edge.Call) (err error) {
	if in.Body.Filter != nil {
		err = checkFilter(*in.Body.Filter)
	}
	return fault.Join(edge.CheckText("body.description", in.Body.Description), err)
}

func updateConsumer(c *edge.Call, in *updateConsumerInput) (*consumerOutput, error) {
	before, after, err := consumer.Update(c, c.Tx, c.Org, in.ID, consumer.Change{
		Description: in.Body.Description, EventTypes: in.Body.EventTypes, Filter: in.Body.Filter,
	}, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(consumerFields(before), consumerFields(after), consumerTarget(after.ID))
	shown, err := showConsumerNow(c, after)
	return &consumerOutput{Body: shown}, err
}

func deleteConsumer(c *edge.Call, in *ConsumerPath) (*struct{}, error) {
	deleted, err := consumer.Delete(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(consumerFields(deleted), nil, consumerTarget(deleted.ID))
	return nil, nil
}

func rotateConsumerSecret(c *edge.Call, in *rotateConsumerInput) (*createdConsumerOutput, error) {
	var seconds *int
	if in.Body != nil {
		seconds = in.Body.OverlapSeconds
	}
	secret := signing.NewSecret()
	rotated, err := consumer.RotateSecret(c, c.Tx, c.Org, in.ID, secret, overlapOf(seconds), c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"secret": audit.Changed, "overlap_seconds": overlapOf(seconds).Seconds()}, consumerTarget(rotated.ID))
	shown, err := showConsumerNow(c, rotated)
	return &createdConsumerOutput{
		Location: "/v1/event-consumers/" + rotated.ID.String(), Body: createdConsumer{ConsumerBody: shown, Secret: secret},
	}, err
}
