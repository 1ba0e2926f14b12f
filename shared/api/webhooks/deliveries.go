package webhooks

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
	"portico/shared/webhook/sending"
)

// ListDeliveries is GET /v1/deliveries.
var ListDeliveries = edge.Read[listDeliveriesInput, listDeliveriesOutput]{
	Op: edge.Op{
		ID: "listDeliveries", Method: http.MethodGet, Path: "/v1/deliveries", Function: deliveriesFunction,
		Permission: auth.DeliveriesRead, Scoped: true, Cost: 1, Access: "delivery.read", Tag: Tag, Summary: "List deliveries",
		Description: "#listDeliveries",
	},
	Handle: listDeliveries,
}

// GetDelivery is GET /v1/deliveries/{id}.
var GetDelivery = edge.Read[deliveryPath, deliveryOutput]{
	Op: edge.Op{
		ID: "getDelivery", Method: http.MethodGet, Path: "/v1/deliveries/{id}", Function: deliveriesFunction,
		Faults:     []*fault.Error{webhook.ErrDeliveryNotFound},
		Permission: auth.DeliveriesRead, Cost: 1, Access: "delivery.read", Tag: Tag, Summary: "Get a delivery with its attempts",
	},
	Handle: getDelivery,
}

// Redeliver is POST /v1/deliveries/{id}/redeliver.
var Redeliver = edge.Write[deliveryPath, redeliverOutput]{
	Op: edge.Op{
		ID: "redeliverDelivery", Method: http.MethodPost, Path: "/v1/deliveries/{id}/redeliver", Function: deliveriesFunction,
		Faults: []*fault.Error{
			webhook.ErrDeliveryNotFound, recovery.ErrEndpointDeleted, recovery.ErrEventGone, recovery.ErrEventExpunged, recovery.ErrWaitsInOrder, recovery.ErrTriedTooOften,
		},
		Permission: auth.DeliveriesWrite, Cost: 1, Audit: "delivery.redeliver", Wakes: true, Tag: Tag, Summary: "Send a delivery again",
		Description: "#redeliverDelivery",
	},
	Handle: redeliver,
}

type deliveryPath struct {
	ID id.Delivery `path:"id" doc:"The delivery's id." example:"dlv_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listDeliveriesInput struct {
	edge.Page
	EndpointID id.WebhookEndpoint `query:"endpoint_id" doc:"Only deliveries to this webhook endpoint." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	EventID    id.Event           `query:"event_id" doc:"Only deliveries of this event." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Status     string             `query:"status" enum:"pending,delivered,failed,held" doc:"Only deliveries with this status."`
	Answer     string             `query:"answer" enum:"2xx,3xx,4xx,5xx,timeout,dns,connection,tls,protocol,none" doc:"Only deliveries whose last try got this, see last_answer."`
	Type       string             `query:"type" maxLength:"128" pattern:"^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*(\\.\\*)?$" patternDescription:"a type such as invoice.paid, or a prefix such as invoice.*" doc:"Only deliveries of events with this type or prefix." example:"invoice.*"`
	Since      time.Time          `query:"since" doc:"Only deliveries of events that were published at this time or later." example:"2026-11-01T00:00:00Z"`
	Until      time.Time          `query:"until" doc:"Only deliveries of events that were published before this time." example:"2026-12-01T00:00:00Z"`
}

// DeliveryBody is a delivery without its attempts.
type DeliveryBody struct {
	ID           id.Delivery        `json:"id" doc:"The delivery's id." example:"dlv_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	EventID      id.Event           `json:"event_id" doc:"The event's id." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	EndpointID   id.WebhookEndpoint `json:"endpoint_id" doc:"The id of the webhook endpoint." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Status       string             `json:"status" enum:"pending,delivered,failed,held" doc:"#Delivery.status"`
	AttemptCount int16              `json:"attempt_count" doc:"The number of tries so far." example:"1"`
	NextRetryAt  *clock.Stamp       `json:"next_retry_at" format:"date-time" doc:"#Delivery.next_retry_at"`
	CompletedAt  *clock.Stamp       `json:"completed_at" format:"date-time" doc:"When the delivery succeeded or finally failed; null if it has done neither."`
	ExpiresAt    *clock.Stamp       `json:"expires_at" format:"date-time" doc:"From when on no try is made: see expires_after of the event; null if never, or after a redelivery."`
	LastStatus   *int16             `json:"last_status_code" doc:"The status of the receiver's response to the last try; null if there was no try or no response." example:"500"`
	LastAnswer   *string            `json:"last_answer" enum:"2xx,3xx,4xx,5xx,timeout,dns,connection,tls,protocol,none" doc:"#Delivery.last_answer" example:"5xx"`
	LastError    *string            `json:"last_error" doc:"#Delivery.last_error" example:"answered 500, expected 2xx"`
}

type deliveryOutput struct {
	Body struct {
		DeliveryBody
		Attempts []attemptBody `json:"attempts" nullable:"false" doc:"All tries, the first one first."`
	}
}

type redeliverOutput struct{ Body DeliveryBody }

type listDeliveriesOutput struct{ Body edge.List[DeliveryBody] }

func showDelivery(d webhook.Delivery) DeliveryBody {
	return DeliveryBody{
		ID: d.ID, EventID: d.EventID, EndpointID: d.EndpointID, Status: string(d.Status), AttemptCount: d.Attempts,
		NextRetryAt: clock.StampOf(d.NextRetryAt), CompletedAt: clock.StampOf(d.CompletedAt), ExpiresAt: clock.StampOf(d.ExpiresAt), LastStatus: d.LastStatusCode, LastAnswer: (*string)(d.LastAnswer), LastError: d.LastError,
	}
}

func listDeliveries(c *edge.Call, in *listDeliveriesInput) (*listDeliveriesOutput, error) {
	filter := webhook.DeliveryFilter{
		EndpointID: in.EndpointID, EventID: in.EventID, Status: webhook.Status(in.Status), Answer: sending.Answer(in.Answer),
		Type: in.Type, Since: in.Since, Until: in.Until, Among: edge.Granted[id.WebhookEndpoint](c),
	}
	err := c.Position("deliveries", in.After, (*[16]byte)(&filter.After.Event.UUID), (*[16]byte)(&filter.After.Endpoint.UUID))
	if err != nil {
		return nil, err
	}
	deliveries, scanned, err := webhook.ListDeliveries(c, c.Tx, c.Org, filter, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := func(event id.Event, endpoint id.WebhookEndpoint) *string {
		return c.Cursor("deliveries", event.UUID, endpoint.UUID)
	}
	list := edge.ListOf(deliveries, in.Limit, showDelivery, func(last webhook.Delivery) *string { return next(last.EventID, last.EndpointID) })
	if list.Next == nil && !scanned.Event.IsZero() {
		list.Next = next(scanned.Event, scanned.Endpoint)
	}
	return &listDeliveriesOutput{Body: list}, nil
}

func getDelivery(c *edge.Call, in *deliveryPath) (*deliveryOutput, error) {
	delivery, err := webhook.GetDelivery(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	attempts, err := webhook.ListAttempts(c, c.Tx, c.Org, delivery)
	if err != nil {
		return nil, err
	}
	out := &deliveryOutput{}
	out.Body.DeliveryBody, out.Body.Attempts = showDelivery(delivery), []attemptBody{}
	for _, a := range attempts {
		out.Body.Attempts = append(out.Body.Attempts, showAttempt(delivery.EventID, a))
	}
	return out, nil
}

func redeliver(c *edge.Call, in *deliveryPath) (*redeliverOutput, error) {
	before, err := webhook.GetDelivery(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	after, err := recovery.Redeliver(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(audit.Fields{"status": before.Status}, audit.Fields{"status": after.Status}, audit.Of("delivery", in.ID))
	c.Due(after.EndpointID)
	return &redeliverOutput{Body: showDelivery(after)}, nil
}
