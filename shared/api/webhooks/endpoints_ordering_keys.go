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
)

// ListOrderingKeys is GET /v1/webhook-endpoints/{id}/ordering-keys.
var ListOrderingKeys = edge.Read[listOrderingKeysInput, listOrderingKeysOutput]{
	Op: edge.Op{
		ID: "listOrderingKeys", Method: http.MethodGet, Path: "/v1/webhook-endpoints/{id}/ordering-keys", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.WebhookEndpointsRead, Cost: 1, Access: "webhook_endpoint.read", Tag: Tag, Summary: "List ordering keys with unfinished deliveries",
		Description: "For an ordered endpoint. Each key shows how far its deliveries are behind, and whether it is paused.",
	},
	Handle: listOrderingKeys,
}

// ResumeOrderingKey is POST /v1/webhook-endpoints/{id}/resume-ordering-key.
var ResumeOrderingKey = edge.Write[resumeOrderingKeyInput, struct{}]{
	Op: edge.Op{
		ID: "resumeOrderingKey", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/resume-ordering-key", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound, webhook.ErrKeyNotPaused},
		Example:    `{"ordering_key":"customer_42"}`,
		Permission: auth.WebhookEndpointsWrite, Cost: 1, Audit: "webhook_endpoint.resume_ordering_key", Status: http.StatusNoContent, Wakes: true,
		Tag: Tag, Summary: "Resume a paused ordering key",
		Description: "Sends the deliveries that wait behind the failed one, in order. The failed one stays failed.",
	},
	Handle: resumeOrderingKey,
}

type listOrderingKeysInput struct {
	EndpointPath
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many to return."`
	After string `query:"after" maxLength:"2000" doc:"The value of next from the previous page."`
}

type orderingKeyBody struct {
	OrderingKey     string       `json:"ordering_key" doc:"The key." example:"customer_42"`
	PendingCount    int64        `json:"pending_count" doc:"The number of unfinished deliveries of the key." example:"3"`
	LagSeconds      float64      `json:"lag_seconds" doc:"The seconds since the event of the head was published; 0 if no delivery is pending." example:"12.5"`
	HeadID          *id.Delivery `json:"head_delivery_id" doc:"The head: the delivery for which the others wait; null if none is pending."`
	PausedAt        *clock.Stamp `json:"paused_at" format:"date-time" doc:"When the key was paused; null if it is not."`
	PausedByEventID *id.Event    `json:"paused_by_event_id" doc:"The event whose delivery finally failed and paused the key; null if the key is not paused."`
}

type listOrderingKeysOutput struct{ Body edge.List[orderingKeyBody] }

type resumeOrderingKeyInput struct {
	EndpointPath
	Body struct {
		OrderingKey string `json:"ordering_key" minLength:"1" maxLength:"255" doc:"The key." example:"customer_42"`
	}
}

func showKeyLag(k webhook.KeyLag, now time.Time) orderingKeyBody {
	b := orderingKeyBody{
		OrderingKey: k.Key, PendingCount: k.Pending, HeadID: k.HeadID, PausedAt: clock.StampOf(k.PausedAt), PausedByEventID: k.PausedBy,
	}
	if k.Oldest != nil {
		b.LagSeconds = max(0, now.Sub(*k.Oldest).Seconds())
	}
	return b
}

func listOrderingKeys(c *edge.Call, in *listOrderingKeysInput) (*listOrderingKeysOutput, error) {
	if _, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	after, err := c.TextPosition("ordering_keys", in.After)
	if err != nil {
		return nil, err
	}
	lags, err := webhook.ListKeyLags(c, c.Tx, c.Org, in.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	show := func(k webhook.KeyLag) orderingKeyBody { return showKeyLag(k, now) }
	return &listOrderingKeysOutput{Body: edge.ListOf(lags, in.Limit, show, func(last webhook.KeyLag) *string {
		return c.TextCursor("ordering_keys", []byte(last.Key))
	})}, nil
}

func resumeOrderingKey(c *edge.Call, in *resumeOrderingKeyInput) (*struct{}, error) {
	if err := edge.CheckText("body.ordering_key", &in.Body.OrderingKey); err != nil {
		return nil, err
	}
	if _, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"ordering_key": in.Body.OrderingKey}, endpointTarget(in.ID))
	due, err := webhook.ResumeKey(c, c.Tx, c.Org, in.ID, in.Body.OrderingKey)
	if due {
		c.Due(in.ID)
	}
	return nil, err
}
