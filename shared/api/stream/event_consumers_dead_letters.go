package stream

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/consumer"
	"portico/shared/fault"
	"portico/shared/id"
)

// ListDeadLetters is GET /v1/event-consumers/{id}/dead-letters.
var ListDeadLetters = edge.Read[listDeadLettersInput, listDeadLettersOutput]{
	Op: edge.Op{
		ID: "listEventConsumerDeadLetters", Method: http.MethodGet, Path: "/v1/event-consumers/{id}/dead-letters", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Permission: auth.EventConsumersRead, Cost: 1, Access: "event_consumer.read", Tag: Tag, Summary: "List an event consumer's dead letters",
		Description: "Items that the consumer was given eight times and has never acknowledged. Those of the newest events come first.",
	},
	Handle: listDeadLetters,
}

// ResendDeadLetters is POST /v1/event-consumers/{id}/resend-dead-letters.
var ResendDeadLetters = edge.Write[resendDeadLettersInput, resendDeadLettersOutput]{
	Op: edge.Op{
		ID: "resendEventConsumerDeadLetters", Method: http.MethodPost, Path: "/v1/event-consumers/{id}/resend-dead-letters", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Example:    `{"event_ids":["evt_01jdf3z9k2e4nv6xq8r0s1t2v3"]}`,
		Permission: auth.EventConsumersWrite, Cost: 5, Audit: "event_consumer.resend_dead_letters",
		Tag: Tag, Summary: "Put an event consumer's dead letters back into its stream",
		Description: "Each is handed out up to eight times again. Without a body all are put back, at most 10,000 at once.",
	},
	Handle: resendDeadLetters,
}

type listDeadLettersInput struct {
	ConsumerPath
	edge.Page
}

type deadLetterBody struct {
	EventID  id.Event    `json:"event_id" doc:"The event." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Type     string      `json:"type" doc:"What happened." example:"invoice.paid"`
	Position int64       `json:"position" doc:"Its position when it was last handed out." example:"1205"`
	Tries    int16       `json:"tries" doc:"How often it was handed out." example:"8"`
	DiedAt   clock.Stamp `json:"died_at" format:"date-time" doc:"When it became a dead letter."`
}

type listDeadLettersOutput struct{ Body edge.List[deadLetterBody] }

type resendDeadLettersInput struct {
	ConsumerPath
	Body *struct {
		EventIDs []id.Event `json:"event_ids,omitempty" minItems:"1" maxItems:"100" nullable:"false" doc:"Only the dead letters of these events."`
	}
}

type resendDeadLettersOutput struct {
	Body struct {
		Resent int64 `json:"resent" doc:"How many dead letters were put back." example:"1"`
	}
}

func listDeadLetters(c *edge.Call, in *listDeadLettersInput) (*listDeadLettersOutput, error) {
	var after id.Event
	if err := c.Position("dead_letters", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	if _, err := consumer.Get(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	list, err := consumer.ListDead(c, c.Tx, c.Org, in.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	show := func(d consumer.Dead) deadLetterBody {
		return deadLetterBody{EventID: d.EventID, Type: d.Type, Position: d.Position, Tries: d.Tries, DiedAt: clock.Stamp(d.DiedAt)}
	}
	return &listDeadLettersOutput{Body: edge.ListOf(list, in.Limit, show, func(last consumer.Dead) *string {
		return c.Cursor("dead_letters", last.EventID.UUID)
	})}, nil
}

func resendDeadLetters(c *edge.Call, in *resendDeadLettersInput) (*resendDeadLettersOutput, error) {
	if _, err := consumer.Get(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	var events []id.Event
	if in.Body != nil {
		events = in.Body.EventIDs
	}
	resent, err := consumer.Resend(c, c.Tx, c.Org, in.ID, events)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"resent": resent}, consumerTarget(in.ID))
	out := &resendDeadLettersOutput{}
	out.Body.Resent = resent
	return out, nil
}
