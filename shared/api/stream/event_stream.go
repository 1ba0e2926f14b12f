package stream

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/consumer"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook/signing"
)

// ReadStream is GET /v1/event-stream.
var ReadStream = edge.Wait[readStreamInput, readStreamOutput]{
	Op: edge.Op{
		ID: "readEventStream", Method: http.MethodGet, Path: "/v1/event-stream", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Permission: auth.EventStreamWrite, Cost: 1, Access: "event_stream.read", Tag: Tag, Summary: "Read the event stream",
		Description: "#readEventStream",
	},
	Handle: readStream,
}

// AcknowledgeItems is POST /v1/event-stream/acknowledge.
var AcknowledgeItems = edge.Write[acknowledgeInput, acknowledgeOutput]{
	Op: edge.Op{
		ID: "acknowledgeEventStream", Method: http.MethodPost, Path: "/v1/event-stream/acknowledge", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Example:    `{"consumer":"warehouse","position":1205}`,
		Permission: auth.EventStreamWrite, Cost: 1, Audit: "event_stream.acknowledge", RecordedBy: edge.RecordedByProgress,
		Tag: Tag, Summary: "Acknowledge items of the event stream",
		Description: "#acknowledgeEventStream",
	},
	Handle: acknowledge,
}

type readStreamInput struct {
	Consumer string `query:"consumer" required:"true" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" patternDescription:"the name of a consumer" doc:"The name of the event consumer." example:"warehouse"`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"100" doc:"How many items to read at most. A reply has fewer if they are large."`
	Wait     int    `query:"wait" minimum:"0" maximum:"20" default:"0" doc:"For how many seconds to wait for an item if there is none yet."`
}

type streamItem struct {
	Position    int64         `json:"position" doc:"Grows with each item that the consumer is given. Acknowledge the item with it." example:"1205"`
	Tries       int16         `json:"tries" doc:"How often the consumer was given this event, this time included." example:"1"`
	EventID     id.Event      `json:"event_id" doc:"The event. It is the same each time that the item is given." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Type        string        `json:"type" doc:"What happened." example:"invoice.paid"`
	OrderingKey *string       `json:"ordering_key" doc:"The key by which deliveries are ordered; null if there is none." example:"customer_42"`
	CreatedAt   clock.Stamp   `json:"created_at" format:"date-time" doc:"When the event was published."`
	Body        string        `json:"body" doc:"What a webhook endpoint would receive, byte for byte. The signature is over these bytes." example:"{\"id\":\"evt_01jdf3z9k2e4nv6xq8r0s1t2v3\",\"type\":\"invoice.paid\",\"created_at\":\"2026-11-20T12:00:00.000000Z\",\"data\":{\"id\":\"in_1\"}}"`
	Headers     streamHeaders `json:"headers" doc:"The headers of Standard Webhooks: give them and the body to any of its libraries to verify the item."`
}

type streamHeaders struct {
	ID        string `json:"Webhook-Id" doc:"The id of the event." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Timestamp string `json:"Webhook-Timestamp" doc:"When the item was given, in Unix seconds." example:"1732190400"`
	Signature string `json:"Webhook-Signature" doc:"One v1 signature per secret of the consumer, joined by spaces." example:"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="`
}

type readStreamOutput struct {
	Body struct {
		Data []streamItem `json:"data" nullable:"false" doc:"The items, in the order of their positions; empty if there are none yet."`
	}
}

type acknowledgeInput struct {
	Body struct {
		Consumer string `json:"consumer" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" patternDescription:"the name of a consumer" doc:"The name of the event consumer." example:"warehouse"`
		Position int64  `json:"position" minimum:"1" doc:"The position of an item." example:"1205"`
		Only     bool   `json:"only,omitempty" doc:"true: acknowledge the item at this position alone. Otherwise all items up to this position are acknowledged."`
	}
}

type acknowledgeOutput struct {
	Body struct {
		Acknowledged int64 `json:"acknowledged" doc:"How many items it has ended. Those that were acknowledged before, or given again since, do not count." example:"1"`
	}
}

// A waiting call looks again after firstPause, and then less and less often.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = time.Second
)

func readStream(c *edge.Call, in *readStreamInput) (*readStreamOutput, error) {
	until := time.Now().Add(time.Duration(in.Wait) * time.Second)
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		out, err := lookIntoStream(c, in)
		left := time.Until(until)
		if err != nil || len(out.Body.Data) > 0 || left <= 0 {
			return out, err
		}
		if c.Pause(min(pause, left)) != nil {
			return out, nil // the caller has gone
		}
	}
}

// lookIntoStream hands out what is due, in a transaction of its own.
func lookIntoStream(c *edge.Call, in *readStreamInput) (*readStreamOutput, error) {
	out := &readStreamOutput{}
	err := c.InOrg(func() error {
		out.Body.Data = []streamItem{}
		reader, err := consumer.Named(c, c.Tx, c.Org, in.Consumer)
		if err != nil {
			return err
		}
		items, err := consumer.Read(c, c.Tx, c.Org, reader.ID, in.Limit)
		if err != nil || len(items) == 0 {
			return err
		}
		secrets, err := consumer.Secrets(c, c.Tx, c.Org, reader.ID, c.Box)
		if err != nil {
			return err
		}
		for _, item := range items {
			shown, err := showItem(item, c.Now(), secrets)
			if err != nil {
				return err
			}
			out.Body.Data = append(out.Body.Data, shown)
		}
		return nil
	})
	if err == nil {
		c.Charge(int64(len(out.Body.Data)))
	}
	return out, err
}

func showItem(i consumer.Item, now time.Time, secrets []string) (streamItem, error) {
	signer, h := signing.Signer{Scheme: signing.SchemeStandard, Secrets: secrets}, http.Header{}
	err := signer.SetHeaders(h, i.EventID.String(), now, i.Payload)
	return streamItem{
		Position: i.Position, Tries: i.Tries, EventID: i.EventID, Type: i.Type, OrderingKey: i.OrderingKey,
		CreatedAt: clock.Stamp(i.CreatedAt), Body: string(i.Payload),
		Headers: streamHeaders{h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature")},
	}, err
}

func acknowledge(c *edge.Call, in *acknowledgeInput) (*acknowledgeOutput, error) {
	reader, err := consumer.Named(c, c.Tx, c.Org, in.Body.Consumer)
	if err != nil {
		return nil, err
	}
	actor := c.Caller.Actor.ID
	out := &acknowledgeOutput{}
	out.Body.Acknowledged, err = consumer.Acknowledge(c, c.Tx, c.Org, reader.ID, in.Body.Position, in.Body.Only, actor)
	return out, err
}
