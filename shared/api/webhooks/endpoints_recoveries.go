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
	"portico/shared/limit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
)

// Recover is POST /v1/webhook-endpoints/{id}/recover.
var Recover = edge.Write[recoverInput, startedOutput]{
	Op: edge.Op{
		ID: "recoverWebhookEndpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/recover", Function: endpointsFunction, Status: http.StatusCreated,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound, recovery.ErrRunning},
		Example:    `{"since":"2026-11-01T00:00:00Z","statuses":["failed"]}`,
		Permission: auth.DeliveriesWrite, Cost: limit.CostsMuch, Audit: "webhook_endpoint.recover", AddsJobs: true,
		Tag: Tag, Summary: "Send the failed deliveries of a time again",
		Description: "#recoverWebhookEndpoint",
	},
	Handle: func(c *edge.Call, in *recoverInput) (*startedOutput, error) {
		statuses := in.Body.Statuses
		if len(statuses) == 0 {
			statuses = []webhook.Status{webhook.Failed}
		}
		return start(c, recovery.New{Kind: recovery.Recover, Endpoint: in.ID, Since: in.Body.Since, Until: in.Body.Until, Statuses: statuses})
	},
}

// Replay is POST /v1/webhook-endpoints/{id}/replay.
var Replay = edge.Write[replayInput, startedOutput]{
	Op: edge.Op{
		ID: "replayToWebhookEndpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/replay", Function: endpointsFunction, Status: http.StatusCreated,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound, recovery.ErrRunning},
		Example:    `{"since":"2026-11-01T00:00:00Z","event_types":["invoice.*"]}`,
		Permission: auth.DeliveriesWrite, Cost: limit.CostsMuch, Audit: "webhook_endpoint.replay", AddsJobs: true,
		Tag: Tag, Summary: "Send past events that the endpoint has not had",
		Description: "#replayToWebhookEndpoint",
	},
	Handle: func(c *edge.Call, in *replayInput) (*startedOutput, error) {
		return start(c, recovery.New{Kind: recovery.Replay, Endpoint: in.ID, Since: in.Body.Since, Until: in.Body.Until, EventTypes: in.Body.EventTypes})
	},
}

// ListRecoveries is GET /v1/webhook-endpoints/{id}/recoveries.
var ListRecoveries = edge.Read[listRecoveriesInput, listRecoveriesOutput]{
	Op: edge.Op{
		ID: "listRecoveries", Method: http.MethodGet, Path: "/v1/webhook-endpoints/{id}/recoveries", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.DeliveriesRead, Cost: 1, Access: "recovery.read", Tag: Tag, Summary: "List the recoveries of a webhook endpoint",
		Description: "The newest first. They are kept for 90 days after they have ended.",
	},
	Handle: listRecoveries,
}

type recoverInput struct {
	EndpointPath
	Body struct {
		Since    time.Time        `json:"since" doc:"Only deliveries of events that were published at this time or later." example:"2026-11-01T00:00:00Z"`
		Until    *time.Time       `json:"until,omitempty" doc:"Only deliveries of events that were published before this time; now if you do not say." example:"2026-11-02T00:00:00Z"`
		Statuses []webhook.Status `json:"statuses,omitempty" minItems:"1" maxItems:"2" enum:"failed,delivered" nullable:"false" doc:"Only deliveries that have one of these statuses; failed if you do not say."`
	}
}

type replayInput struct {
	EndpointPath
	Body struct {
		Since      time.Time  `json:"since" doc:"Only events that were published at this time or later." example:"2026-11-01T00:00:00Z"`
		Until      *time.Time `json:"until,omitempty" doc:"Only events that were published before this time; now if you do not say." example:"2026-11-02T00:00:00Z"`
		EventTypes []string   `json:"event_types,omitempty" minItems:"1" maxItems:"100" nullable:"false" pattern:"^(\\*|(group:)?[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*\\.\\*)$" patternDescription:"a type such as invoice.paid, a prefix such as invoice.*, a group such as group:billing, or *" doc:"Only these types or prefixes; all to which the endpoint subscribes if you do not say." example:"[\"invoice.*\"]"`
	}
}

type listRecoveriesInput struct {
	EndpointPath
	edge.Page
}

type recoveryBody struct {
	ID              id.Recovery        `json:"id" doc:"The recovery's id." example:"rec_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	EndpointID      id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Kind            string             `json:"kind" enum:"recover,replay" doc:"recover: deliveries that have finished are sent again. replay: events are sent of which the endpoint had no delivery."`
	Since           clock.Stamp        `json:"since" format:"date-time" doc:"Only events that were published at this time or later."`
	Until           clock.Stamp        `json:"until" format:"date-time" doc:"Only events that were published before this time."`
	Statuses        []webhook.Status   `json:"statuses" enum:"failed,delivered" nullable:"false" doc:"Of a recover: the statuses of the deliveries that are sent again. Empty for a replay."`
	EventTypes      []string           `json:"event_types" nullable:"false" doc:"Of a replay: the types or prefixes that were asked for; empty: all." example:"[\"invoice.*\"]"`
	Status          string             `json:"status" enum:"running,succeeded,cancelled,stalled" doc:"#Recovery.status"`
	ReachedAt       clock.Stamp        `json:"reached_at" format:"date-time" doc:"All events that were published before this time are done; at the end that is until."`
	ExaminedCount   int64              `json:"examined_count" doc:"How many deliveries, or events of a replay, it has looked at." example:"1200"`
	DeliveriesCount int64              `json:"delivery_count" doc:"How many deliveries it has made due." example:"37"`
	CreatedAt       clock.Stamp        `json:"created_at" format:"date-time" doc:"When it was asked for."`
	CreatedBy       *string            `json:"created_by" doc:"The id of the API key that asked for it." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	FinishedAt      *clock.Stamp       `json:"finished_at" format:"date-time" doc:"When it ended; null if it has not."`
}

type (
	recoveryOutput struct{ Body recoveryBody }
	startedOutput  struct {
		Location string `header:"Location"`
		Body     recoveryBody
	}
	listRecoveriesOutput struct{ Body edge.List[recoveryBody] }
)

func showRecovery(r recovery.Recovery) recoveryBody {
	return recoveryBody{
		ID: r.ID, EndpointID: r.EndpointID, Kind: r.Kind, Since: clock.Stamp(r.Since), Until: clock.Stamp(r.Until), Statuses: r.Statuses, EventTypes: r.EventTypes,
		Status: r.Status, ReachedAt: clock.Stamp(r.Reached()), ExaminedCount: r.Examined, DeliveriesCount: r.Deliveries,
		CreatedAt: clock.Stamp(r.CreatedAt), CreatedBy: edge.OrNull(r.CreatedBy), FinishedAt: clock.StampOf(r.FinishedAt),
	}
}

func recoveryTarget(r id.Recovery) audit.Target { return audit.Of("recovery", r) }

// start begins a recovery of an endpoint.
func start(c *edge.Call, n recovery.New) (*startedOutput, error) {
	if _, err := webhook.GetEndpoint(c, c.Tx, c.Org, n.Endpoint); err != nil {
		return nil, err
	}
	n.By = c.Caller.Actor.ID
	r, err := recovery.Start(c, c.Tx, c.Org, n)
	if err != nil {
		return nil, err
	}
	shown := showRecovery(r)
	c.Audit(nil, audit.Fields{
		"since": shown.Since, "until": shown.Until, "statuses": shown.Statuses, "event_types": shown.EventTypes,
	}, endpointTarget(n.Endpoint), recoveryTarget(r.ID))
	return &startedOutput{Location: "/v1/recoveries/" + r.ID.String(), Body: shown}, nil
}

func listRecoveries(c *edge.Call, in *listRecoveriesInput) (*listRecoveriesOutput, error) {
	if _, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	var after id.Recovery
	if err := c.Position("recoveries", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	list, err := recovery.List(c, c.Tx, c.Org, in.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listRecoveriesOutput{Body: edge.ListOf(list, in.Limit, showRecovery, func(last recovery.Recovery) *string {
		return c.Cursor("recoveries", last.ID.UUID)
	})}, nil
}
