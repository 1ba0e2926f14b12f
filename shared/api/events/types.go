package events

import (
	"encoding/json"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/eventtype"
	"portico/shared/fault"
	"portico/shared/webhook"
)

// CreateType is POST /v1/event-types.
var CreateType = edge.Write[createEventTypeInput, createdEventTypeOutput]{
	Op: edge.Op{
		ID: "createEventType", Method: http.MethodPost, Path: "/v1/event-types", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrExists, eventtype.ErrTooMany},
		Example:    `{"name":"invoice.paid","description":"An invoice was paid in full.","group":"billing","schema":{"type":"object","required":["id","total"],"properties":{"id":{"type":"string"},"total":{"type":"number"}}},"examples":[{"id":"in_1","total":1.10}],"validation":"required"}`,
		Permission: auth.EventTypesWrite, Cost: 2, Audit: "event_type.create", Status: http.StatusCreated, MaxBody: maxTypeBody,
		Tag: Tag, Summary: "Create an event type", Description: "#createEventType",
	},
	Handle: createType,
}

// ListTypes is GET /v1/event-types.
var ListTypes = edge.Read[listEventTypesInput, listEventTypesOutput]{
	Op: edge.Op{
		ID: "listEventTypes", Method: http.MethodGet, Path: "/v1/event-types", Function: "events",
		Permission: auth.EventTypesRead, Cost: 1, Access: "event_type.read", Tag: Tag, Summary: "List event types",
		Description: "By their names, without schemas and examples: get a single event type to see them.",
	},
	Handle: listTypes,
}

// GetType is GET /v1/event-types/{name}.
var GetType = edge.Read[EventTypePath, eventTypeOutput]{
	Op: edge.Op{
		ID: "getEventType", Method: http.MethodGet, Path: "/v1/event-types/{name}", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound},
		Permission: auth.EventTypesRead, Cost: 1, Access: "event_type.read", Tag: Tag, Summary: "Get an event type with its schema",
	},
	Handle: getType,
}

// UpdateType is PATCH /v1/event-types/{name}.
var UpdateType = edge.Write[updateEventTypeInput, eventTypeOutput]{
	Op: edge.Op{
		ID: "updateEventType", Method: http.MethodPatch, Path: "/v1/event-types/{name}", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound, eventtype.ErrVersionNotFound},
		Example:    `{"description":"An invoice was paid in full.","archived":false}`,
		Permission: auth.EventTypesWrite, Cost: 1, Audit: "event_type.update",
		Tag: Tag, Summary: "Change an event type", Description: "#updateEventType",
	},
	Handle: updateType,
}

// DeleteType is DELETE /v1/event-types/{name}.
var DeleteType = edge.Write[EventTypePath, struct{}]{
	Op: edge.Op{
		ID: "deleteEventType", Method: http.MethodDelete, Path: "/v1/event-types/{name}", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound},
		Permission: auth.EventTypesWrite, Cost: 1, Audit: "event_type.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete an event type",
		Description: "With all its versions. Events of the type stay, and it can still be published: archive it if it shall not be.",
	},
	Handle: deleteType,
}

// maxTypeBody has room for a schema, its examples and the other members.
const maxTypeBody = 256 << 10

// EventTypePath names an event type. It is exported because huma fills and describes only
// embedded structs that are exported.
type EventTypePath struct {
	Name string `path:"name" maxLength:"128" doc:"The event type." example:"invoice.paid"`
}

type listEventTypesInput struct {
	edge.Page
	Group    string `query:"group" maxLength:"64" doc:"Only types of this group." example:"billing"`
	Archived string `query:"archived" enum:"true,false" doc:"Only archived types, or only those in use." example:"false"`
}

// EventTypeSummary is an event type without its schema. It is exported because huma
// describes only embedded structs that are exported.
type EventTypeSummary struct {
	Name        string       `json:"name" doc:"The event type." example:"invoice.paid"`
	Description string       `json:"description" doc:"When it is published, for people." example:"An invoice was paid in full."`
	Group       *string      `json:"group" doc:"Its group; null if there is none. An endpoint that subscribes to group:billing gets all types of the group billing." example:"billing"`
	Validation  string       `json:"validation" enum:"off,required" doc:"required: a publish is refused unless its data match the schema."`
	Version     *int32       `json:"version" doc:"The number of the current version; null if there is none." example:"1"`
	Versions    int32        `json:"version_count" doc:"How many versions it has." example:"1"`
	ArchivedAt  *clock.Stamp `json:"archived_at" format:"date-time" doc:"When it was archived; null while it is in use."`
	CreatedAt   clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was created."`
	UpdatedAt   clock.Stamp  `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type eventTypeBody struct {
	EventTypeSummary
	Schema   json.RawMessage   `json:"schema" doc:"The JSON Schema of the current version; null if there is none." example:"{\"type\":\"object\"}"`
	Examples []json.RawMessage `json:"examples" nullable:"false" doc:"Data that match the schema." example:"[{\"id\":\"in_1\"}]"`
}

type eventTypeOutput struct{ Body eventTypeBody }

type createdEventTypeOutput struct {
	Location string `header:"Location"`
	Body     eventTypeBody
}

type listEventTypesOutput struct{ Body edge.List[EventTypeSummary] }

// EventTypeVersionContent is what a version is made of. It is exported because huma describes
// only embedded structs that are exported.
type EventTypeVersionContent struct {
	Schema   json.RawMessage   `json:"schema" doc:"#EventType.schema" example:"{\"type\":\"object\"}"`
	Examples []json.RawMessage `json:"examples,omitempty" maxItems:"10" nullable:"false" doc:"Data that match the schema." example:"[{\"id\":\"in_1\"}]"`
}

type createEventTypeInput struct {
	Body struct {
		Name        string            `json:"name" maxLength:"128" pattern:"^[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$" patternDescription:"words of letters, digits and _ joined by dots" doc:"The event type." example:"invoice.paid"`
		Description string            `json:"description,omitempty" maxLength:"2000" doc:"When it is published, for people."`
		Group       string            `json:"group,omitempty" maxLength:"64" pattern:"^([A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*)?$" patternDescription:"words of letters, digits and _ joined by dots" doc:"Its group." example:"billing"`
		Validation  string            `json:"validation,omitempty" enum:"off,required" default:"off" doc:"required: a publish is refused unless its data match the schema."`
		Archived    bool              `json:"archived,omitempty" doc:"Whether it is archived: publishing it is refused."`
		Schema      json.RawMessage   `json:"schema,omitempty" doc:"#EventType.schema" example:"{\"type\":\"object\"}"`
		Examples    []json.RawMessage `json:"examples,omitempty" maxItems:"10" nullable:"false" doc:"Data that match the schema." example:"[{\"id\":\"in_1\"}]"`
	}
}

type updateEventTypeInput struct {
	EventTypePath
	Body struct {
		Description *string `json:"description,omitempty" maxLength:"2000" doc:"When it is published, for people."`
		Group       *string `json:"group,omitempty" maxLength:"64" pattern:"^([A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*)?$" patternDescription:"words of letters, digits and _ joined by dots" doc:"Its group; an empty text removes it." example:"billing"`
		Validation  *string `json:"validation,omitempty" enum:"off,required" doc:"required: a publish is refused unless its data match the schema."`
		Archived    *bool   `json:"archived,omitempty" doc:"true: publishing it is refused."`
		Version     *int32  `json:"version,omitempty" minimum:"1" doc:"The number of the version that becomes the current one." example:"1"`
	}
}

func showEventTypeSummary(t eventtype.Type) EventTypeSummary {
	return EventTypeSummary{
		Name: t.Name, Description: t.Description, Group: edge.OrNull(t.Group), Validation: t.Validation, Version: t.Version, Versions: t.Versions,
		ArchivedAt: clock.StampOf(t.Archived), CreatedAt: clock.Stamp(t.CreatedAt), UpdatedAt: clock.Stamp(t.UpdatedAt),
	}
}

func showType(t eventtype.Type) eventTypeBody {
	return eventTypeBody{showEventTypeSummary(t), t.Schema, listOrEmpty(t.Examples)}
}

func listOrEmpty(examples []json.RawMessage) []json.RawMessage {
	if examples == nil {
		return []json.RawMessage{}
	}
	return examples
}

// typeName names a type in audit entries.
type typeName string

func (n typeName) String() string { return string(n) }

func typeTarget(name string) audit.Target { return audit.Of("event_type", typeName(name)) }

func typeFields(t eventtype.Type) audit.Fields {
	return audit.Fields{
		"description": t.Description, "group": t.Group, "validation": t.Validation, "version": t.Version, "archived": t.Archived != nil,
	}
}

// Resolve hands the input to the frame.
func (in *createEventTypeInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createEventTypeInput) Check(c *edge.Call) error {
	b := in.Body
	var name, schema error
	if webhook.IsOperational(b.Name) || b.Name == eventtype.Reserved {
		name = fault.InvalidField("name", "is reserved for Portico: choose another name")
	}
	switch {
	case b.Schema != nil:
		schema = checkVersion(c, b.Schema, b.Examples)
	case b.Validation == eventtype.Required:
		schema = fault.InvalidField("validation", "needs a schema")
	case len(b.Examples) > 0:
		schema = fault.InvalidField("examples", "need a schema")
	}
	return fault.Join(name, edge.CheckText("body.description", &b.Description), schema)
}

// Resolve hands the input to the frame.
func (in *updateEventTypeInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateEventTypeInput) Check(*edge.Call) error {
	return edge.CheckText("body.description", in.Body.Description)
}

func createType(c *edge.Call, in *createEventTypeInput) (*createdEventTypeOutput, error) {
	b, now := in.Body, c.Now()
	t := eventtype.Type{Name: b.Name, Description: b.Description, Group: b.Group, Validation: b.Validation, CreatedAt: now, UpdatedAt: now}
	if b.Archived {
		t.Archived = &now
	}
	if err := eventtype.Insert(c, c.Tx, c.Org, t); err != nil {
		return nil, err
	}
	if b.Schema != nil {
		actor := c.Caller.Actor.ID
		var err error
		if _, t, err = eventtype.AddVersion(c, c.Tx, c.Org, b.Name, eventtype.NewVersion{Schema: b.Schema, Examples: b.Examples}, actor, now); err != nil {
			return nil, err
		}
	}
	c.Audit(nil, typeFields(t), typeTarget(t.Name))
	return &createdEventTypeOutput{Location: "/v1/event-types/" + t.Name, Body: showType(t)}, nil
}

func listTypes(c *edge.Call, in *listEventTypesInput) (*listEventTypesOutput, error) {
	filter := eventtype.Filter{Group: in.Group}
	if in.Archived != "" {
		filter.Archived = new(in.Archived == "true")
	}
	var err error
	if filter.After, err = c.TextPosition("event_types", in.After); err != nil {
		return nil, err
	}
	types, err := eventtype.List(c, c.Tx, c.Org, filter, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listEventTypesOutput{Body: edge.ListOf(types, in.Limit, showEventTypeSummary, func(last eventtype.Type) *string {
		return c.TextCursor("event_types", []byte(last.Name))
	})}, nil
}

func getType(c *edge.Call, in *EventTypePath) (*eventTypeOutput, error) {
	t, err := eventtype.Get(c, c.Tx, c.Org, in.Name)
	if err != nil {
		return nil, err
	}
	return &eventTypeOutput{Body: showType(t)}, nil
}

func updateType(c *edge.Call, in *updateEventTypeInput) (*eventTypeOutput, error) {
	b := in.Body
	before, after, err := eventtype.Update(c, c.Tx, c.Org, in.Name, eventtype.Change{
		Description: b.Description, Group: b.Group, Validation: b.Validation, Archived: b.Archived, Version: b.Version,
	}, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(typeFields(before), typeFields(after), typeTarget(in.Name))
	return &eventTypeOutput{Body: showType(after)}, nil
}

func deleteType(c *edge.Call, in *EventTypePath) (*struct{}, error) {
	t, err := eventtype.Delete(c, c.Tx, c.Org, in.Name)
	if err != nil {
		return nil, err
	}
	c.Audit(typeFields(t), nil, typeTarget(in.Name))
	return nil, nil
}
