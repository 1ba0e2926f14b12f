package events

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/erasure"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
)

// CreateErasure is POST /v1/erasures.
var CreateErasure = edge.Write[createErasureInput, createdErasureOutput]{
	Op: edge.Op{
		ID: "createErasure", Method: http.MethodPost, Path: "/v1/erasures", Function: "events", Status: http.StatusCreated,
		Faults:     []*fault.Error{erasure.ErrTooMany},
		Example:    `{"filter":"data.customer.id == \"cus_42\"","ordering_keys":["customer_42"],"recipient":"ada@example.com"}`,
		Permission: auth.EventsDelete, Cost: limit.CostsMuch, Audit: "erasure.create", AddsJobs: true, Tag: Tag, Summary: "Remove all data of a person for good",
		Description: "#createErasure",
	},
	Handle: createErasure,
}

// ListErasures is GET /v1/erasures.
var ListErasures = edge.Read[listErasuresInput, listErasuresOutput]{
	Op: edge.Op{
		ID: "listErasures", Method: http.MethodGet, Path: "/v1/erasures", Function: "events",
		Permission: auth.EventsRead, Cost: 1, Access: "erasure.read", Tag: Tag, Summary: "List erasures",
		Description: "The newest first. They are kept for 90 days after they have ended.",
	},
	Handle: listErasures,
}

// GetErasure is GET /v1/erasures/{id}.
var GetErasure = edge.Read[erasurePath, erasureOutput]{
	Op: edge.Op{
		ID: "getErasure", Method: http.MethodGet, Path: "/v1/erasures/{id}", Function: "events",
		Faults:     []*fault.Error{erasure.ErrNotFound},
		Permission: auth.EventsRead, Cost: 1, Access: "erasure.read", Tag: Tag, Summary: "Get an erasure with its progress",
	},
	Handle: func(c *edge.Call, in *erasurePath) (*erasureOutput, error) {
		r, err := erasure.Get(c, c.Tx, c.Org, in.ID)
		return &erasureOutput{Body: showErasure(r)}, err
	},
}

// CancelErasure is POST /v1/erasures/{id}/cancel.
var CancelErasure = edge.Write[erasurePath, erasureOutput]{
	Op: edge.Op{
		ID: "cancelErasure", Method: http.MethodPost, Path: "/v1/erasures/{id}/cancel", Function: "events",
		Faults:     []*fault.Error{erasure.ErrNotFound, erasure.ErrFinished},
		Permission: auth.EventsDelete, Cost: 1, Audit: "erasure.cancel", Tag: Tag, Summary: "Cancel an erasure",
		Description: "What it has removed stays removed. What the request says of the person is forgotten.",
	},
	Handle: cancelErasure,
}

type createErasureInput struct {
	Body struct {
		Filter       *string    `json:"filter,omitempty" minLength:"1" maxLength:"1024" doc:"#Erasure.filter" example:"data.customer.id == \"cus_42\""`
		OrderingKeys []string   `json:"ordering_keys,omitempty" minItems:"1" maxItems:"100" minLength:"1" maxLength:"255" nullable:"false" doc:"Events with one of these ordering keys are expunged." example:"[\"customer_42\"]"`
		Recipient    *string    `json:"recipient,omitempty" minLength:"1" maxLength:"254" doc:"#Erasure.recipient" example:"ada@example.com"`
		Since        *time.Time `json:"since,omitempty" doc:"Only events that were published, and mails that were to be sent, at this time or later; all if you do not say." example:"2026-11-01T00:00:00Z"`
		Until        *time.Time `json:"until,omitempty" doc:"Only events that were published, and mails that were to be sent, before this time; now if you do not say." example:"2026-12-01T00:00:00Z"`
		DryRun       bool       `json:"dry_run,omitempty" doc:"Whether to count only, and remove nothing."`
	}
}

type erasurePath struct {
	ID id.Erasure `path:"id" doc:"The erasure's id." example:"era_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listErasuresInput struct{ edge.Page }

type erasureBody struct {
	ID            id.Erasure   `json:"id" doc:"The erasure's id." example:"era_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Criteria      []string     `json:"criteria" enum:"filter,ordering_keys,recipient" nullable:"false" doc:"Which of these members the request had. What they said is shown nowhere, because it is about a person." example:"[\"filter\",\"recipient\"]"`
	DryRun        bool         `json:"dry_run" doc:"Whether it only counts, and removes nothing."`
	Since         *clock.Stamp `json:"since" format:"date-time" doc:"Only events and mails from this time on; null: from the beginning."`
	Until         clock.Stamp  `json:"until" format:"date-time" doc:"Only events and mails from before this time."`
	Status        string       `json:"status" enum:"running,succeeded,cancelled,stalled" doc:"#Erasure.status"`
	ExaminedCount int64        `json:"examined_count" doc:"How many events it has looked at." example:"1200"`
	EventCount    int64        `json:"event_count" doc:"How many events it has expunged; of a dry run, how many it would. Those that were expunged before do not count." example:"37"`
	MailCount     int64        `json:"mail_count" doc:"How many mails it has expunged; of a dry run, how many it would." example:"4"`
	CreatedAt     clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was asked for."`
	CreatedBy     *string      `json:"created_by" doc:"The id of the API key that asked for it." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	FinishedAt    *clock.Stamp `json:"finished_at" format:"date-time" doc:"When it ended; null if it has not."`
}

type (
	erasureOutput        struct{ Body erasureBody }
	createdErasureOutput struct {
		Location string `header:"Location"`
		Body     erasureBody
	}
	listErasuresOutput struct{ Body edge.List[erasureBody] }
)

func showErasure(r erasure.Erasure) erasureBody {
	return erasureBody{
		ID: r.ID, Criteria: r.Criteria, DryRun: r.DryRun, Since: clock.StampOf(r.Since), Until: clock.Stamp(r.Until), Status: r.Status,
		ExaminedCount: r.Examined, EventCount: r.Events, MailCount: r.Mails,
		CreatedAt: clock.Stamp(r.CreatedAt), CreatedBy: edge.OrNull(r.CreatedBy), FinishedAt: clock.StampOf(r.FinishedAt),
	}
}

func erasureTarget(r id.Erasure) audit.Target { return audit.Of("erasure", r) }

// createErasure tells the audit log which criteria were given, not what they are.
func createErasure(c *edge.Call, in *createErasureInput) (*createdErasureOutput, error) {
	b := in.Body
	by := c.Caller.Actor.ID
	n := erasure.New{
		Person: erasure.Person{Filter: b.Filter, OrderingKeys: b.OrderingKeys, Recipient: b.Recipient},
		DryRun: b.DryRun, Since: b.Since, Until: b.Until, By: by,
	}
	if err := n.Check(); err != nil {
		return nil, err
	}
	r, err := erasure.Start(c, c.Tx, c.Org, n)
	if err != nil {
		return nil, err
	}
	shown := showErasure(r)
	c.Audit(nil, audit.Fields{
		"criteria": shown.Criteria, "dry_run": shown.DryRun, "since": shown.Since, "until": shown.Until,
	}, erasureTarget(r.ID))
	return &createdErasureOutput{Location: "/v1/erasures/" + r.ID.String(), Body: shown}, nil
}

func listErasures(c *edge.Call, in *listErasuresInput) (*listErasuresOutput, error) {
	var after id.Erasure
	if err := c.Position("erasures", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	list, err := erasure.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listErasuresOutput{Body: edge.ListOf(list, in.Limit, showErasure, func(last erasure.Erasure) *string {
		return c.Cursor("erasures", last.ID.UUID)
	})}, nil
}

func cancelErasure(c *edge.Call, in *erasurePath) (*erasureOutput, error) {
	r, err := erasure.Cancel(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(audit.Fields{"status": erasure.Running}, audit.Fields{"status": r.Status}, erasureTarget(r.ID))
	return &erasureOutput{Body: showErasure(r)}, nil
}
