// Package stream has the operations of the event stream and of the consumers that read
// it.
package stream

import (
	"embed"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/consumer"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook"
	"portico/shared/webhook/filter"
	"portico/shared/webhook/signing"
)

// Tag groups the operations in the documentation.
const Tag = "Stream"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

// function serves all of them. It is a function of its own, because requests that wait
// occupy its environments.
const function = "event-stream"

// CreateConsumer is POST /v1/event-consumers.
var CreateConsumer = edge.Write[createConsumerInput, createdConsumerOutput]{
	Op: edge.Op{
		ID: "createEventConsumer", Method: http.MethodPost, Path: "/v1/event-consumers", Function: function,
		Faults:     []*fault.Error{consumer.ErrExists, consumer.ErrTooMany, webhook.ErrEndpointNotFound},
		Example:    `{"name":"reports","event_types":["invoice.*"]}`,
		Permission: auth.EventConsumersWrite, Cost: 1, Audit: "event_consumer.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create an event consumer",
		Description: "#createEventConsumer",
	},
	Handle: createConsumer,
}

// ListConsumers is GET /v1/event-consumers.
var ListConsumers = edge.Read[edge.Page, listConsumersOutput]{
	Op: edge.Op{
		ID: "listEventConsumers", Method: http.MethodGet, Path: "/v1/event-consumers", Function: function,
		Permission: auth.EventConsumersRead, Cost: 1, Access: "event_consumer.read", Tag: Tag, Summary: "List event consumers",
	},
	Handle: listConsumers,
}

// GetConsumer is GET /v1/event-consumers/{id}.
var GetConsumer = edge.Read[ConsumerPath, consumerOutput]{
	Op: edge.Op{
		ID: "getEventConsumer", Method: http.MethodGet, Path: "/v1/event-consumers/{id}", Function: function,
		Faults:     []*fault.Error{consumer.ErrNotFound},
		Permission: auth.EventConsumersRead, Cost: 1, Access: "event_consumer.read", Tag: Tag, Summary: "Get an event consumer",
	},
	Handle: getConsumer,
}

// ConsumerPath names a consumer. It is exported because huma fills and describes only
// embedded structs that are exported.
type ConsumerPath struct {
	ID id.EventConsumer `path:"id" doc:"The consumer's id." example:"ec_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// ConsumerBody is a consumer without its secret.
type ConsumerBody struct {
	ID             id.EventConsumer    `json:"id" doc:"The consumer's id." example:"ec_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name           string              `json:"name" doc:"Its name, which requests for the event stream send." example:"warehouse"`
	Description    string              `json:"description" doc:"A note for people." example:"Loads invoices into the warehouse"`
	EventTypes     []string            `json:"event_types" nullable:"false" doc:"#EventConsumer.event_types" example:"[\"invoice.*\"]"`
	Filter         string              `json:"filter" doc:"An expression that selects from these events; empty: all." example:"data.total > 100"`
	DeadLettersOf  *id.WebhookEndpoint `json:"dead_letters_of" doc:"The webhook endpoint whose dead letters it reads; null if it reads events as they are published." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	LastPosition   int64               `json:"last_position" doc:"The position of the last item that it was given; 0 if it was given none." example:"1205"`
	Acknowledged   int64               `json:"acknowledged_position" doc:"The highest position that it has acknowledged; 0 if none." example:"1204"`
	AcknowledgedAt *clock.Stamp        `json:"acknowledged_at" format:"date-time" doc:"When it last acknowledged an item; null if never."`
	Backlog        int                 `json:"backlog" maximum:"1000" doc:"How many items it has not acknowledged, without dead letters. Counting stops at 1,000." example:"1"`
	OldestAt       *clock.Stamp        `json:"oldest_at" format:"date-time" doc:"When the oldest event of the backlog was published; null if there is no backlog."`
	DeadLetters    int                 `json:"dead_letters" maximum:"1000" doc:"How many items have become dead letters. Counting stops at 1,000." example:"0"`
	CreatedAt      clock.Stamp         `json:"created_at" format:"date-time" doc:"When the consumer was created."`
	UpdatedAt      clock.Stamp         `json:"updated_at" format:"date-time" doc:"When the consumer was last changed."`
}

type consumerOutput struct{ Body ConsumerBody }

type listConsumersOutput struct{ Body edge.List[ConsumerBody] }

type createConsumerInput struct {
	Body struct {
		Name          string             `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" patternDescription:"letters, digits, dots, - and _, of which the first is a letter or a digit" doc:"A name that no other consumer of the organization has." example:"warehouse"`
		Description   string             `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		EventTypes    []string           `json:"event_types,omitempty" minItems:"1" maxItems:"100" nullable:"false" pattern:"^(\\*|(group:)?[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*\\.\\*)$" patternDescription:"a type such as invoice.paid, a prefix such as invoice.*, a group such as group:billing, or *" doc:"The types of events to read; needed unless dead_letters_of is sent." example:"[\"invoice.*\"]"`
		Filter        string             `json:"filter,omitempty" maxLength:"1024" doc:"An expression over type and data that selects from these events, as the filter of an endpoint." example:"data.total > 100"`
		DeadLettersOf id.WebhookEndpoint `json:"dead_letters_of,omitempty" doc:"Read the events whose delivery to this webhook endpoint has failed for good, instead of events as they are published." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	}
}

type createdConsumer struct {
	ConsumerBody
	Secret string `json:"secret" doc:"Verifies the signature of each item. It is never shown again." example:"whsec_…"`
}

type createdConsumerOutput struct {
	Location string `header:"Location"`
	Body     createdConsumer
}

func showConsumer(c consumer.Consumer, s consumer.Standing) ConsumerBody {
	b := ConsumerBody{
		ID: c.ID, Name: c.Name, Description: c.Description, EventTypes: c.EventTypes, Filter: c.Filter,
		LastPosition: s.LastPosition, Acknowledged: s.Acknowledged, AcknowledgedAt: clock.StampOf(s.AcknowledgedAt),
		Backlog: s.Backlog, OldestAt: clock.StampOf(s.OldestAt), DeadLetters: s.DeadLetters,
		CreatedAt: clock.Stamp(c.CreatedAt), UpdatedAt: clock.Stamp(c.UpdatedAt),
	}
	if !c.DeadLettersOf.IsZero() {
		b.DeadLettersOf = &c.DeadLettersOf
	}
	return b
}

func showConsumerNow(c *edge.Call, of consumer.Consumer) (ConsumerBody, error) {
	standings, err := consumer.Standings(c, c.Tx, c.Org, []consumer.Consumer{of})
	return showConsumer(of, standings[of.ID]), err
}

// consumerFields are what the audit log shows of a consumer.
func consumerFields(c consumer.Consumer) audit.Fields {
	f := audit.Fields{"name": c.Name, "description": c.Description, "event_types": c.EventTypes, "filter": c.Filter}
	if !c.DeadLettersOf.IsZero() {
		f["dead_letters_of"] = c.DeadLettersOf
	}
	return f
}

func consumerTarget(of id.EventConsumer) audit.Target {
	return audit.Target{Type: "event_consumer", ID: of.String()}
}

// Resolve hands the input to the frame.
func (in *createConsumerInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createConsumerInput) Check(*edge.Call) error {
	b := in.Body
	var selects error
	switch {
	case !b.DeadLettersOf.IsZero() && b.EventTypes != nil:
		selects = fault.InvalidField("body.event_types", "cannot be sent with dead_letters_of: all dead letters of the endpoint are read")
	case !b.DeadLettersOf.IsZero() && b.Filter != "":
		selects = fault.InvalidField("body.filter", "cannot be sent with dead_letters_of: all dead letters of the endpoint are read")
	}
	return fault.Join(selects, edge.CheckText("body.description", &b.Description), checkFilter(b.Filter))
}

func checkFilter(text string) error {
	if err := filter.Check(text); text != "" && err != nil {
		return fault.InvalidField("body.filter", err.Error())
	}
	return nil
}

func createConsumer(c *edge.Call, in *createConsumerInput) (*createdConsumerOutput, error) {
	if in.Body.DeadLettersOf.IsZero() && in.Body.EventTypes == nil {
		return nil, fault.InvalidField("body.event_types", "is missing: name the types to read, or send dead_letters_of")
	}
	made := consumer.New(in.Body.Name, c.Now())
	made.Description, made.Filter, made.DeadLettersOf = in.Body.Description, in.Body.Filter, in.Body.DeadLettersOf
	if in.Body.EventTypes != nil {
		made.EventTypes = in.Body.EventTypes
	}
	if !made.DeadLettersOf.IsZero() {
		if _, err := webhook.GetEndpoint(c, c.Tx, c.Org, made.DeadLettersOf); err != nil {
			return nil, err
		}
	}
	secret := signing.NewSecret()
	if err := consumer.Insert(c, c.Tx, c.Org, made, secret, c.Box); err != nil {
		return nil, err
	}
	c.Audit(nil, consumerFields(made), consumerTarget(made.ID))
	shown, err := showConsumerNow(c, made)
	return &createdConsumerOutput{
		Location: "/v1/event-consumers/" + made.ID.String(), Body: createdConsumer{ConsumerBody: shown, Secret: secret},
	}, err
}

func listConsumers(c *edge.Call, in *edge.Page) (*listConsumersOutput, error) {
	var after id.EventConsumer
	if err := c.Position("event_consumers", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	list, err := consumer.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	standings, err := consumer.Standings(c, c.Tx, c.Org, list)
	if err != nil {
		return nil, err
	}
	show := func(of consumer.Consumer) ConsumerBody { return showConsumer(of, standings[of.ID]) }
	return &listConsumersOutput{Body: edge.ListOf(list, in.Limit, show, func(last consumer.Consumer) *string {
		return c.Cursor("event_consumers", last.ID.UUID)
	})}, nil
}

func getConsumer(c *edge.Call, in *ConsumerPath) (*consumerOutput, error) {
	found, err := consumer.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	shown, err := showConsumerNow(c, found)
	return &consumerOutput{Body: shown}, err
}

// overlapOf returns for how long the old secret still signs.
func overlapOf(seconds *int) time.Duration {
	if seconds == nil {
		return webhook.DefaultOverlap
	}
	return time.Duration(*seconds) * time.Second
}
