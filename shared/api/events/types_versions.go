package events

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/eventtype"
	"portico/shared/fault"
)

// CreateTypeVersion is POST /v1/event-types/{name}/versions.
var CreateTypeVersion = edge.Write[createEventTypeVersionInput, createdEventTypeVersionOutput]{
	Op: edge.Op{
		ID: "createEventTypeVersion", Method: http.MethodPost, Path: "/v1/event-types/{name}/versions", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound, eventtype.ErrTooManyVersions},
		Example:    `{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}},"examples":[{"id":"in_1"}]}`,
		Permission: auth.EventTypesWrite, Cost: 2, Audit: "event_type.add_version", Status: http.StatusCreated, MaxBody: maxTypeBody,
		Tag: Tag, Summary: "Add a version to an event type", Description: "#createEventTypeVersion",
	},
	Handle: createVersion,
}

// ListTypeVersions is GET /v1/event-types/{name}/versions.
var ListTypeVersions = edge.Read[listEventTypeVersionsInput, listEventTypeVersionsOutput]{
	Op: edge.Op{
		ID: "listEventTypeVersions", Method: http.MethodGet, Path: "/v1/event-types/{name}/versions", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound},
		Permission: auth.EventTypesRead, Cost: 1, Access: "event_type.read", Tag: Tag, Summary: "List the versions of an event type", Description: "The newest first.",
	},
	Handle: listVersions,
}

// Validate is POST /v1/event-types/{name}/validate.
var Validate = edge.Write[validateEventDataInput, validateEventDataOutput]{
	Op: edge.Op{
		ID: "validateEventData", Method: http.MethodPost, Path: "/v1/event-types/{name}/validate", Function: "events",
		Faults:     []*fault.Error{eventtype.ErrNotFound, eventtype.ErrVersionNotFound},
		Example:    `{"data":{"id":"in_1","total":1.10}}`,
		Permission: auth.EventTypesRead, Cost: 2, Audit: "event_type.validate", MaxBody: 256<<10 + 4<<10,
		Tag: Tag, Summary: "Try data against a schema",
		Description: "Whether a publish with these data would be accepted if the type demanded validation. Nothing is published.",
	},
	Handle: validate,
}

type createEventTypeVersionInput struct {
	EventTypePath
	Body struct{ EventTypeVersionContent }
}

type eventTypeVersionBody struct {
	Number    int32             `json:"number" doc:"Counts from 1 within the event type." example:"1"`
	Schema    json.RawMessage   `json:"schema" doc:"The JSON Schema." example:"{\"type\":\"object\"}"`
	Examples  []json.RawMessage `json:"examples" nullable:"false" doc:"Data that match the schema." example:"[{\"id\":\"in_1\"}]"`
	CreatedAt clock.Stamp       `json:"created_at" format:"date-time" doc:"When it was added."`
	CreatedBy string            `json:"created_by" doc:"The id of the key that added it." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type createdEventTypeVersionOutput struct{ Body eventTypeVersionBody }

type listEventTypeVersionsInput struct {
	EventTypePath
	edge.Page
}

type listEventTypeVersionsOutput struct {
	Body edge.List[eventTypeVersionBody]
}

type validateEventDataInput struct {
	EventTypePath
	Body struct {
		Data    json.RawMessage `json:"data" doc:"The data of an event." example:"{\"id\":\"in_1\",\"total\":1.10}"`
		Version *int32          `json:"version,omitempty" minimum:"1" doc:"The version to try; without it the current one." example:"1"`
	}
}

type validateEventDataOutput struct {
	Body struct {
		Valid   bool         `json:"valid" doc:"Whether the data match the schema."`
		Version int32        `json:"version" doc:"The version that was tried." example:"1"`
		Errors  []edge.Field `json:"errors" nullable:"false" doc:"The places in the data that break a rule: the first ten."`
	}
}

func showVersion(v eventtype.Version) eventTypeVersionBody {
	return eventTypeVersionBody{v.Number, v.Schema, listOrEmpty(v.Examples), clock.Stamp(v.CreatedAt), v.CreatedBy}
}

// Resolve hands the input to the frame.
func (in *createEventTypeVersionInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createEventTypeVersionInput) Check(c *edge.Call) error {
	return checkVersion(c, in.Body.Schema, in.Body.Examples)
}

// checkVersion checks a version and charges for the time that it takes.
func checkVersion(c *edge.Call, schema json.RawMessage, examples []json.RawMessage) error {
	began := time.Now()
	defer func() { c.Charge(time.Since(began).Milliseconds()) }()
	return eventtype.NewVersion{Schema: schema, Examples: examples}.Check(c)
}

func createVersion(c *edge.Call, in *createEventTypeVersionInput) (*createdEventTypeVersionOutput, error) {
	actor := c.Caller.Actor.ID
	now := c.Now()
	before, after, err := eventtype.AddVersion(c, c.Tx, c.Org, in.Name, eventtype.NewVersion{Schema: in.Body.Schema, Examples: in.Body.Examples}, actor, now)
	if err != nil {
		return nil, err
	}
	c.Audit(typeFields(before), typeFields(after), typeTarget(in.Name))
	return &createdEventTypeVersionOutput{Body: eventTypeVersionBody{after.Versions, after.Schema, listOrEmpty(after.Examples), clock.Stamp(now), actor}}, nil
}

func listVersions(c *edge.Call, in *listEventTypeVersionsInput) (*listEventTypeVersionsOutput, error) {
	var position [16]byte
	if err := c.Position("event_type_versions", in.After, &position); err != nil {
		return nil, err
	}
	before := int32(binary.BigEndian.Uint32(position[:])) //nolint:gosec // numbers are at most eventtype.MaxVersions
	versions, err := eventtype.ListVersions(c, c.Tx, c.Org, in.Name, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listEventTypeVersionsOutput{Body: edge.ListOf(versions, in.Limit, showVersion, func(last eventtype.Version) *string {
		binary.BigEndian.PutUint32(position[:], uint32(last.Number)) //nolint:gosec // numbers are positive
		return c.Cursor("event_type_versions", position)
	})}, nil
}

func validate(c *edge.Call, in *validateEventDataInput) (*validateEventDataOutput, error) {
	v, err := eventtype.GetVersion(c, c.Tx, c.Org, in.Name, in.Body.Version)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	err = v.Try(c, in.Body.Data)
	c.Charge(time.Since(began).Milliseconds())
	f := fault.Of(err)
	if err != nil && (f == nil || f.Kind != fault.Invalid) {
		return nil, err
	}
	c.Audit(nil, nil, typeTarget(in.Name))
	out := &validateEventDataOutput{}
	out.Body.Valid, out.Body.Version, out.Body.Errors = f == nil, v.Number, []edge.Field{}
	if f != nil {
		for _, field := range f.Fields {
			out.Body.Errors = append(out.Body.Errors, edge.Field{Location: "body." + field.Name, Message: field.Message})
		}
	}
	return out, nil
}
