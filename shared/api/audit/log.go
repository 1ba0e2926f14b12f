package audit

import (
	"net/http"
	"strings"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
)

// List is GET /v1/audit-log.
var List = edge.Read[listAuditLogInput, listAuditLogOutput]{
	Op: edge.Op{
		ID: "listAuditLog", Method: http.MethodGet, Path: "/v1/audit-log", Function: "audit-log",
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_log.read", Tag: Tag, Summary: "List who changed what",
		Description: "#listAuditLog",
	},
	Handle: list,
}

type listAuditLogInput struct {
	edge.Page
	Action   string    `query:"action" maxLength:"100" pattern:"^[a-z_]+\\.(\\*|[a-z_]+)$" patternDescription:"an action such as webhook_endpoint.update, or webhook_endpoint.* for every action on an endpoint" doc:"Only this action, or every action on this kind of object." example:"webhook_endpoint.*"`
	Category string    `query:"category" enum:"security,configuration,access,data" doc:"Only actions of this category; see /v1/audit-actions." example:"security"`
	Outcome  string    `query:"outcome" enum:"success,failure" doc:"failure: only attempts that were refused." example:"failure"`
	Request  string    `query:"request_id" maxLength:"100" doc:"Only entries of this request." example:"Y2xjcj1Z5QMEPuw="`
	ActorID  string    `query:"actor_id" maxLength:"100" doc:"Only changes by this actor." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	TargetID string    `query:"target_id" maxLength:"100" doc:"Only changes to the object with this id, or on behalf of this member." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Words    string    `query:"q" maxLength:"200" doc:"#AuditLog.q" example:"ada@example.com"`
	Since    time.Time `query:"since" doc:"Only changes made at this time or later." example:"2026-11-01T00:00:00Z"`
	Until    time.Time `query:"until" doc:"Only changes made before this time." example:"2026-12-01T00:00:00Z"`
}

type auditActorBody struct {
	Type string  `json:"type" enum:"api_key,staff_key,member,oauth_client,portal,staff,system" doc:"staff_key: a person who runs Portico; system: Portico itself."`
	ID   string  `json:"id" example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"The actor's id."`
	Name *string `json:"name" doc:"The actor's name at that time."`
}

type auditBehalfBody struct {
	_    struct{} `nullable:"true"`
	Type string   `json:"type" enum:"member" doc:"Always a member."`
	ID   string   `json:"id" example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"The member's id."`
}

type auditTargetBody struct {
	Type string `json:"type" example:"webhook_endpoint" doc:"The kind of object."`
	ID   string `json:"id" example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"The object's id."`
}

type AuditEntryBody struct {
	ID         id.AuditEntry     `json:"id" doc:"The entry's id." example:"aud_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Action     string            `json:"action" example:"webhook_endpoint.update" doc:"The kind of object and what was done to it."`
	Category   audit.Category    `json:"category" enum:"security,configuration,access,data" doc:"What the action belongs to." example:"configuration"`
	Actor      auditActorBody    `json:"actor" doc:"Who made the change."`
	OnBehalfOf *auditBehalfBody  `json:"on_behalf_of" doc:"The member for whom the actor acted: an app whom the member has let in, or staff; null: for nobody else."`
	Targets    []auditTargetBody `json:"targets" nullable:"false" doc:"The objects that were changed."`
	Before     map[string]any    `json:"before" nullable:"true" doc:"The old values of the changed fields; null if there are none. A secret is shown as [changed]." example:"{\"description\":\"\"}"`
	After      map[string]any    `json:"after" nullable:"true" doc:"The new values of the changed fields; null if there are none." example:"{\"description\":\"Accounting\"}"`
	RequestID  string            `json:"request_id" doc:"The id of the request in the log." example:"Y2xjcj1Z5QMEPuw="`
	SourceIP   *string           `json:"source_ip" doc:"The IP address that sent the request; null if there was no request." example:"203.0.113.7"`
	UserAgent  string            `json:"user_agent" doc:"The header User-Agent of the request." example:"acme-billing/2.1"`
	Outcome    string            `json:"outcome" enum:"success,failure" doc:"failure: the attempt was refused, and nothing was changed."`
	CreatedAt  clock.Stamp       `json:"created_at" format:"date-time" doc:"When the change was made."`
}

type listAuditLogOutput struct{ Body edge.List[AuditEntryBody] }

func showAuditEntry(e audit.Entry) AuditEntryBody {
	b := AuditEntryBody{
		ID: e.ID, Action: e.Action, Category: e.Category, Actor: auditActorBody{Type: e.Actor.Type, ID: e.Actor.ID, Name: edge.OrNull(e.Actor.Name)},
		Targets: []auditTargetBody{}, Before: e.Before, After: e.After,
		RequestID: e.Origin.RequestID, UserAgent: e.Origin.UserAgent, Outcome: e.Outcome, CreatedAt: clock.Stamp(e.CreatedAt),
	}
	for _, t := range e.Targets {
		b.Targets = append(b.Targets, auditTargetBody{t.Type, t.ID})
	}
	if e.For.ID != "" {
		b.OnBehalfOf = &auditBehalfBody{Type: e.For.Type, ID: e.For.ID}
	}
	if e.Origin.SourceIP.IsValid() {
		b.SourceIP = new(e.Origin.SourceIP.String())
	}
	return b
}

func (in *listAuditLogInput) filter() audit.Filter {
	f := audit.Filter{
		Category: audit.Category(in.Category), Outcome: in.Outcome, Request: in.Request,
		ActorID: in.ActorID, TargetID: in.TargetID, Words: strings.Fields(in.Words), Since: in.Since, Until: in.Until,
	}
	if noun, all := strings.CutSuffix(in.Action, ".*"); all {
		f.Noun = noun
	} else {
		f.Action = in.Action
	}
	return f
}

// Resolve hands the input to the frame.
func (in *listAuditLogInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *listAuditLogInput) Check(*edge.Call) error {
	return fault.Join(edge.CheckText("query.actor_id", &in.ActorID), edge.CheckText("query.target_id", &in.TargetID), edge.CheckText("query.request_id", &in.Request),
		edge.CheckText("query.q", &in.Words), checkRange("query.since", "query.until", in.Since, in.Until), checkSince1970("query.since", in.Since), checkSince1970("query.until", in.Until))
}

// checkSince1970 refuses a time before 1970: the time in an id cannot be earlier.
func checkSince1970(location string, at time.Time) error {
	if !at.IsZero() && at.Before(time.Unix(0, 0)) {
		return fault.InvalidField(location, "must not be before 1970")
	}
	return nil
}

// checkRange refuses a range of time that ends before it begins.
func checkRange(from, to string, since, until time.Time) error {
	if !since.IsZero() && !until.IsZero() && until.Before(since) {
		return fault.InvalidField(from, "must not be after "+to)
	}
	return nil
}

func list(c *edge.Call, in *listAuditLogInput) (*listAuditLogOutput, error) {
	f := in.filter()
	if err := c.Position("audit_log", in.After, (*[16]byte)(&f.After.UUID)); err != nil {
		return nil, err
	}
	entries, scanned, err := audit.List(c, c.Tx, c.Org, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page := edge.ListOf(entries, in.Limit, showAuditEntry, func(last audit.Entry) *string { return c.Cursor("audit_log", last.ID.UUID) })
	if page.Next == nil && !scanned.IsZero() {
		page.Next = c.Cursor("audit_log", scanned.UUID)
	}
	return &listAuditLogOutput{Body: page}, nil
}
