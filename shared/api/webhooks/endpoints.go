package webhooks

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/signing"
)

// CreateEndpoint is POST /v1/webhook-endpoints.
var CreateEndpoint = edge.Write[createEndpointInput, createdEndpointOutput]{
	Op: edge.Op{
		ID: "createWebhookEndpoint", Method: http.MethodPost, Path: "/v1/webhook-endpoints", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrTooManyEndpoints},
		Example:    `{"url":"https://example.com/webhooks","event_types":["invoice.*"],"description":"Accounting"}`,
		Permission: auth.WebhookEndpointsWrite, Cost: 1, Audit: "webhook_endpoint.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create a webhook endpoint",
		Description: "#createWebhookEndpoint",
	},
	Handle: createEndpoint,
}

// ListEndpoints is GET /v1/webhook-endpoints.
var ListEndpoints = edge.Read[listEndpointsInput, listEndpointsOutput]{
	Op: edge.Op{
		ID: "listWebhookEndpoints", Method: http.MethodGet, Path: "/v1/webhook-endpoints", Function: endpointsFunction,
		Permission: auth.WebhookEndpointsRead, Scoped: true, Cost: 1, Access: "webhook_endpoint.read", Tag: Tag, Summary: "List webhook endpoints",
	},
	Handle: listEndpoints,
}

// GetEndpoint is GET /v1/webhook-endpoints/{id}.
var GetEndpoint = edge.Read[EndpointPath, endpointOutput]{
	Op: edge.Op{
		ID: "getWebhookEndpoint", Method: http.MethodGet, Path: "/v1/webhook-endpoints/{id}", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.WebhookEndpointsRead, Cost: 1, Access: "webhook_endpoint.read", Tag: Tag, Summary: "Get a webhook endpoint",
	},
	Handle: getEndpoint,
}

// UpdateEndpoint is PATCH /v1/webhook-endpoints/{id}.
var UpdateEndpoint = edge.Write[updateEndpointInput, changedEndpointOutput]{
	Op: edge.Op{
		ID: "updateWebhookEndpoint", Method: http.MethodPatch, Path: "/v1/webhook-endpoints/{id}", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Example:    `{"event_types":["invoice.*","customer.created"],"timeout_seconds":15}`,
		Permission: auth.WebhookEndpointsWrite, Cost: 1, Audit: "webhook_endpoint.update", Wakes: true,
		Tag: Tag, Summary: "Change a webhook endpoint",
		Description: "#updateWebhookEndpoint",
	},
	Handle: updateEndpoint,
}

// DeleteEndpoint is DELETE /v1/webhook-endpoints/{id}.
var DeleteEndpoint = edge.Write[EndpointPath, struct{}]{
	Op: edge.Op{
		ID: "deleteWebhookEndpoint", Method: http.MethodDelete, Path: "/v1/webhook-endpoints/{id}", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.WebhookEndpointsWrite, Cost: 1, Audit: "webhook_endpoint.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete a webhook endpoint",
		Description: "Its pending deliveries fail without another try. You can still read its deliveries.",
	},
	Handle: deleteEndpoint,
}

// EndpointPath names an endpoint. It is exported because huma fills and describes
// only embedded structs that are exported.
type EndpointPath struct {
	ID id.WebhookEndpoint `path:"id" doc:"The endpoint's id." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// EndpointBody is an endpoint without its secret.
type EndpointBody struct {
	ID             id.WebhookEndpoint `json:"id" doc:"The endpoint's id." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	URL            string             `json:"url" doc:"The URL to which deliveries are sent." example:"https://example.com/webhooks"`
	EventTypes     []string           `json:"event_types" nullable:"false" doc:"#Endpoint.event_types" example:"[\"invoice.*\"]"`
	Description    string             `json:"description" doc:"A note for people." example:"Accounting"`
	Status         string             `json:"status" enum:"enabled,disabled" doc:"disabled: its deliveries are held."`
	DisabledAt     *clock.Stamp       `json:"disabled_at" format:"date-time" doc:"When the endpoint was disabled; null while it is enabled."`
	DisabledReason *string            `json:"disabled_reason" enum:"requested,gone,failing" doc:"#Endpoint.disabled_reason"`
	CreatedAt      clock.Stamp        `json:"created_at" format:"date-time" doc:"When the endpoint was created."`
	UpdatedAt      clock.Stamp        `json:"updated_at" format:"date-time" doc:"When the endpoint was last changed."`
	Health         endpointHealth     `json:"health" doc:"Whether its deliveries succeed."`
	ShownOptions
}

type endpointOutput struct{ Body EndpointBody }

// ChangedEndpoint is an endpoint in the reply to its creation or change. It is exported
// because huma describes only embedded structs that are exported.
type ChangedEndpoint struct {
	EndpointBody
	UnknownTypes []string `json:"unknown_event_types" nullable:"false" doc:"#ChangedEndpoint.unknown_event_types" example:"[\"invioce.*\"]"`
}

type changedEndpointOutput struct{ Body ChangedEndpoint }

type listEndpointsInput struct {
	edge.Page
	Status  string `query:"status" enum:"enabled,disabled" doc:"Only endpoints with this status."`
	Failing bool   `query:"failing" doc:"true: only endpoints whose tries have failed since the last success, see health.failing_since."`
}

type listEndpointsOutput struct{ Body edge.List[EndpointBody] }

type createEndpointInput struct {
	Body struct {
		URL         string   `json:"url" maxLength:"2048" doc:"The URL to which deliveries are sent: absolute, with https." example:"https://example.com/webhooks"`
		EventTypes  []string `json:"event_types" minItems:"1" maxItems:"100" nullable:"false" pattern:"^(\\*|(group:)?[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*\\.\\*)$" patternDescription:"a type such as invoice.paid, a prefix such as invoice.*, a group such as group:billing, or *" doc:"The types of events to deliver." example:"[\"invoice.*\"]"`
		Description string   `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		EndpointOptions
	}
	options webhook.OptionsChange // set by Check
}

type createdEndpoint struct {
	ChangedEndpoint
	Secret string `json:"secret" doc:"Verifies Webhook-Signature, except with the signature_scheme standard_asymmetric. It is never shown again." example:"whsec_…"`
}

type createdEndpointOutput struct {
	Location string `header:"Location"`
	Body     createdEndpoint
}

type updateEndpointInput struct {
	EndpointPath
	Body struct {
		URL         *string  `json:"url,omitempty" maxLength:"2048" doc:"The URL to which deliveries are sent: absolute, with https."`
		EventTypes  []string `json:"event_types,omitempty" minItems:"1" maxItems:"100" nullable:"false" pattern:"^(\\*|(group:)?[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*\\.\\*)$" patternDescription:"a type such as invoice.paid, a prefix such as invoice.*, a group such as group:billing, or *" doc:"The types of events to deliver."`
		Description *string  `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		Status      *string  `json:"status,omitempty" enum:"enabled,disabled" doc:"disabled: deliveries are held; enabled: they are sent."`
		Held        string   `json:"held_deliveries,omitempty" enum:"send,drop" doc:"#UpdateEndpoint.held_deliveries" example:"send"`
		EndpointOptions
	}
	options webhook.OptionsChange // set by Check
}

func showEndpoint(e webhook.Endpoint, h webhook.EndpointHealth) EndpointBody {
	return EndpointBody{
		ID: e.ID, URL: e.URL, EventTypes: e.EventTypes, Description: e.Description, Status: e.Status,
		DisabledAt: clock.StampOf(e.DisabledAt), DisabledReason: e.DisabledReason,
		CreatedAt: clock.Stamp(e.CreatedAt), UpdatedAt: clock.Stamp(e.UpdatedAt),
		Health: showHealth(h), ShownOptions: showOptions(e.Options),
	}
}

func checkURL(c *edge.Call, url *string) error {
	if url == nil {
		return nil
	}
	if err := c.Egress.CheckURL(*url); err != nil {
		return fault.InvalidField("body.url", err.Error())
	}
	return nil
}

// Resolve hands the input to the frame.
func (in *createEndpointInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createEndpointInput) Check(c *edge.Call) (err error) {
	in.options, err = in.Body.EndpointOptions.change(c.Now())
	return fault.Join(checkURL(c, &in.Body.URL), edge.CheckText("body.description", &in.Body.Description), err)
}

// Resolve hands the input to the frame.
func (in *updateEndpointInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateEndpointInput) Check(c *edge.Call) (err error) {
	var held error
	if in.Body.Held != "" && !in.enables() {
		held = fault.InvalidField("body.held_deliveries", "needs the status enabled: send both or neither")
	}
	in.options, err = in.Body.EndpointOptions.change(c.Now())
	return fault.Join(checkURL(c, in.Body.URL), edge.CheckText("body.description", in.Body.Description), held, err)
}

func (in *updateEndpointInput) enables() bool {
	return in.Body.Status != nil && *in.Body.Status == webhook.Enabled
}

func createEndpoint(c *edge.Call, in *createEndpointInput) (*createdEndpointOutput, error) {
	now := c.Now()
	endpoint := webhook.NewEndpoint(in.Body.URL, in.Body.EventTypes, now)
	endpoint.Description = in.Body.Description
	secret := signing.NewSecret()
	if err := webhook.InsertEndpoint(c, c.Tx, c.Org, endpoint, secret, c.Box); err != nil {
		return nil, err
	}
	_, endpoint, err := webhook.UpdateEndpoint(c, c.Tx, c.Org, endpoint.ID, webhook.EndpointChange{Options: in.options}, now, c.Box)
	if err != nil {
		return nil, err
	}
	unknown, err := fanout.UnknownTypes(c, c.Tx, c.Org, endpoint.EventTypes)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, changedFields(endpoint, in.options), endpointTarget(endpoint.ID))
	shown := ChangedEndpoint{EndpointBody: showEndpoint(endpoint, webhook.EndpointHealth{Breaker: webhook.BreakerClosed}), UnknownTypes: unknown}
	return &createdEndpointOutput{
		Location: "/v1/webhook-endpoints/" + endpoint.ID.String(),
		Body:     createdEndpoint{ChangedEndpoint: shown, Secret: secret},
	}, nil
}

func listEndpoints(c *edge.Call, in *listEndpointsInput) (*listEndpointsOutput, error) {
	filter := webhook.EndpointFilter{Status: in.Status, Failing: in.Failing, Among: edge.Granted[id.WebhookEndpoint](c)}
	if err := c.Position("webhook_endpoints", in.After, (*[16]byte)(&filter.After.UUID)); err != nil {
		return nil, err
	}
	endpoints, err := webhook.ListEndpoints(c, c.Tx, c.Org, filter, in.Limit+1)
	if err != nil {
		return nil, err
	}
	healths, err := webhook.Healths(c, c.Tx, c.Org, endpoints)
	if err != nil {
		return nil, err
	}
	show := func(shown webhook.Endpoint) EndpointBody { return showEndpoint(shown, healths[shown.ID]) }
	return &listEndpointsOutput{Body: edge.ListOf(endpoints, in.Limit, show, func(last webhook.Endpoint) *string {
		return c.Cursor("webhook_endpoints", last.ID.UUID)
	})}, nil
}

func getEndpoint(c *edge.Call, in *EndpointPath) (*endpointOutput, error) {
	endpoint, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	shown, err := showWithHealth(c, endpoint)
	return &endpointOutput{Body: shown}, err
}

func updateEndpoint(c *edge.Call, in *updateEndpointInput) (*changedEndpointOutput, error) {
	b := in.Body
	before, endpoint, err := webhook.UpdateEndpoint(c, c.Tx, c.Org, in.ID, webhook.EndpointChange{
		URL: b.URL, EventTypes: b.EventTypes, Description: b.Description, Status: b.Status, DropHeld: b.Held == "drop", Options: in.options,
	}, c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	c.Audit(endpointFields(before), changedFields(endpoint, in.options), endpointTarget(endpoint.ID))
	if in.enables() {
		c.Due(endpoint.ID)
	}
	shown, err := showWithHealth(c, endpoint)
	if err != nil {
		return nil, err
	}
	unknown, err := fanout.UnknownTypes(c, c.Tx, c.Org, endpoint.EventTypes)
	return &changedEndpointOutput{Body: ChangedEndpoint{EndpointBody: shown, UnknownTypes: unknown}}, err
}

func deleteEndpoint(c *edge.Call, in *EndpointPath) (*struct{}, error) {
	endpoint, err := webhook.DeleteEndpoint(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(endpointFields(endpoint), nil, endpointTarget(endpoint.ID))
	return nil, nil
}
