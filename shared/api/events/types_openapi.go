package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/eventtype"
	"portico/shared/eventtype/openapi"
	"portico/shared/fault"
	"portico/shared/limit"
	"portico/shared/org"
)

// DescribeTypes is GET /v1/event-types/openapi.json.
var DescribeTypes = edge.Read[describeEventTypesInput, describeEventTypesOutput]{
	Op: edge.Op{
		ID: "describeEventTypes", Method: http.MethodGet, Path: "/v1/event-types/openapi.json", Function: "events",
		Permission: auth.EventTypesRead, Cost: limit.CostsMuch, Access: "event_type.read", Tag: Tag, Summary: "Get the OpenAPI 3.1 description of your event types",
		Description: "#describeEventTypes",
	},
	Handle: describeTypes,
}

// ImportTypes is POST /v1/event-types/import.
var ImportTypes = edge.Write[importEventTypesInput, importEventTypesOutput]{
	Op: edge.Op{
		ID: "importEventTypes", Method: http.MethodPost, Path: "/v1/event-types/import", Function: "events",
		Example:    `{"document":{"openapi":"3.1.0","info":{"title":"Acme","version":"1"},"webhooks":{"order.made":{"post":{"summary":"An order was made.","tags":["orders"],"requestBody":{"content":{"application/json":{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}}}}}}},"dry_run":true}`,
		Permission: auth.EventTypesWrite, Cost: limit.CostsMuch, Audit: "event_type.import", MaxBody: 1 << 20,
		Tag: Tag, Summary: "Import event types from an OpenAPI document", Description: "#importEventTypes",
	},
	Handle: importTypes,
}

type describeEventTypesInput struct {
	Group string `query:"group" maxLength:"64" doc:"Only types of this group." example:"billing"`
}

type describeEventTypesOutput struct {
	Body map[string]json.RawMessage
}

type importEventTypesInput struct {
	Body struct {
		Document   json.RawMessage   `json:"document" doc:"An OpenAPI document of version 3.0 or 3.1." example:"{\"openapi\":\"3.1.0\"}"`
		Components map[string]string `json:"components,omitempty" doc:"#ImportEventTypes.components" example:"{\"Invoice\":\"invoice.paid\"}"`
		DryRun     bool              `json:"dry_run,omitempty" doc:"true: only says what would be done."`
	}
	found []openapi.Found // set by Check
}

type importedEventType struct {
	Name    string  `json:"name" doc:"The event type, as the document names it." example:"order.made"`
	Result  string  `json:"result" enum:"created,changed,unchanged,skipped" doc:"What was done." example:"created"`
	Reason  *string `json:"reason" doc:"Why it was skipped; otherwise null." example:"the webhook has no POST"`
	Version *int32  `json:"version" doc:"The number of the new version; null if there is none." example:"1"`
}

type importEventTypesOutput struct {
	Body struct {
		DryRun bool                `json:"dry_run" doc:"Whether nothing was written."`
		Data   []importedEventType `json:"data" nullable:"false" doc:"The event types of the document, by their names."`
	}
}

func describeTypes(c *edge.Call, in *describeEventTypesInput) (*describeEventTypesOutput, error) {
	types, err := eventtype.All(c, c.Tx, c.Org, in.Group)
	if errors.Is(err, eventtype.ErrTooLarge) {
		return nil, fault.InvalidField("query.group", err.Error())
	}
	if err != nil {
		return nil, err
	}
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	document, err := openapi.Describe(o.Name, types)
	if err != nil {
		return nil, err
	}
	out := &describeEventTypesOutput{}
	if err := json.Unmarshal(document, &out.Body); err != nil {
		return nil, fmt.Errorf("events.describeTypes: %w", err)
	}
	return out, nil
}

// Resolve hands the input to the frame.
func (in *importEventTypesInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *importEventTypesInput) Check(c *edge.Call) (err error) {
	began := time.Now()
	in.found, err = openapi.Read(c, in.Body.Document, in.Body.Components)
	c.Charge(time.Since(began).Milliseconds())
	switch {
	case c.Err() != nil:
		return fault.ErrAway.Because(c.Err())
	case err != nil:
		return fault.InvalidField("document", err.Error())
	}
	return nil
}

func importTypes(c *edge.Call, in *importEventTypesInput) (*importEventTypesOutput, error) {
	actor := c.Caller.Actor.ID
	list, err := openapi.Import(c, c.Tx, c.Org, in.found, actor, c.Now(), in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	out := &importEventTypesOutput{}
	out.Body.DryRun, out.Body.Data = in.Body.DryRun, make([]importedEventType, len(list))
	results, targets := map[string]int{}, []audit.Target{}
	for i, t := range list {
		out.Body.Data[i] = importedEventType{t.Name, t.Result, edge.OrNull(t.Reason), t.Version}
		results[t.Result]++
		if t.Result == openapi.Created || t.Result == openapi.Changed {
			targets = append(targets, typeTarget(t.Name))
		}
	}
	fields := audit.Fields{"dry_run": in.Body.DryRun}
	for _, result := range slices.Sorted(maps.Keys(results)) {
		fields[result] = results[result]
	}
	c.Audit(nil, fields, append(targets, audit.Of("organization", c.Org))...)
	return out, nil
}
