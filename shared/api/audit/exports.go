package audit

import (
	"encoding/hex"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/export"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
)

// CreateExport is POST /v1/audit-exports.
var CreateExport = edge.Write[createAuditExportInput, createdAuditExportOutput]{
	Op: edge.Op{
		ID: "createAuditExport", Method: http.MethodPost, Path: "/v1/audit-exports", Function: "audit-log", Status: http.StatusCreated,
		Faults:     []*fault.Error{export.ErrTooMany},
		Example:    `{"format":"ndjson","since":"2026-11-01T00:00:00Z","until":"2026-12-01T00:00:00Z"}`,
		Permission: auth.AuditLogRead, Cost: limit.CostsMuch, Audit: "audit_export.create", AddsJobs: true, Tag: Tag, Summary: "Export the audit log to a file",
		Description: "#createAuditExport",
	},
	Handle: createExport,
}

// ListExports is GET /v1/audit-exports.
var ListExports = edge.Read[listAuditExportsInput, listAuditExportsOutput]{
	Op: edge.Op{
		ID: "listAuditExports", Method: http.MethodGet, Path: "/v1/audit-exports", Function: "audit-log",
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_export.read", Tag: Tag, Summary: "List exports of the audit log",
		Description: "The newest first. They are kept for 90 days after they have ended; their files for two days.",
	},
	Handle: listExports,
}

// GetExport is GET /v1/audit-exports/{id}.
var GetExport = edge.Read[auditExportPath, auditExportOutput]{
	Op: edge.Op{
		ID: "getAuditExport", Method: http.MethodGet, Path: "/v1/audit-exports/{id}", Function: "audit-log",
		Faults:     []*fault.Error{export.ErrNotFound},
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_export.read", Tag: Tag, Summary: "Get an export with its progress and a link to its file",
	},
	Handle: getExport,
}

// CancelExport is POST /v1/audit-exports/{id}/cancel.
var CancelExport = edge.Write[auditExportPath, auditExportOutput]{
	Op: edge.Op{
		ID: "cancelAuditExport", Method: http.MethodPost, Path: "/v1/audit-exports/{id}/cancel", Function: "audit-log",
		Faults:     []*fault.Error{export.ErrNotFound, export.ErrFinished},
		Permission: auth.AuditLogRead, Cost: 1, Audit: "audit_export.cancel", Tag: Tag, Summary: "Cancel an export of the audit log",
		Description: "There will be no file.",
	},
	Handle: cancelExport,
}

type createAuditExportInput struct {
	Body struct {
		Format   string    `json:"format" enum:"csv,ndjson" doc:"#AuditExport.format" example:"ndjson"`
		Action   string    `json:"action,omitempty" maxLength:"100" pattern:"^[a-z_]+\\.(\\*|[a-z_]+)$" patternDescription:"an action such as webhook_endpoint.update, or webhook_endpoint.* for every action on an endpoint" doc:"Only this action, or every action on this kind of object." example:"webhook_endpoint.*"`
		Category string    `json:"category,omitempty" enum:"security,configuration,access,data" doc:"Only actions of this category; see /v1/audit-actions."`
		Outcome  string    `json:"outcome,omitempty" enum:"success,failure" doc:"failure: only attempts that were refused."`
		Request  string    `json:"request_id,omitempty" maxLength:"100" doc:"Only entries of this request." example:"Y2xjcj1Z5QMEPuw="`
		ActorID  string    `json:"actor_id,omitempty" maxLength:"100" doc:"Only changes by this actor: a key, or a part of Portico." example:"bootstrap"`
		TargetID string    `json:"target_id,omitempty" maxLength:"100" doc:"Only changes to the object with this id or name, or on behalf of this member." example:"member_added"`
		Words    string    `json:"q,omitempty" maxLength:"200" doc:"Only entries with all of these words, as in the list." example:"ada@example.com"`
		Since    time.Time `json:"since,omitempty" doc:"Only changes made at this time or later." example:"2026-11-01T00:00:00Z"`
		Until    time.Time `json:"until,omitempty" doc:"Only changes made before this time." example:"2026-12-01T00:00:00Z"`
	}
}

// Resolve hands the input to the frame.
func (in *createAuditExportInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createAuditExportInput) Check(*edge.Call) error {
	b := &in.Body
	return fault.Join(edge.CheckText("actor_id", &b.ActorID), edge.CheckText("target_id", &b.TargetID), edge.CheckText("request_id", &b.Request),
		edge.CheckText("q", &b.Words), checkRange("since", "until", b.Since, b.Until), checkSince1970("since", b.Since), checkSince1970("until", b.Until))
}

// filter is that of the list with the same conditions.
func (in *createAuditExportInput) filter() audit.Filter {
	b := in.Body
	list := listAuditLogInput{
		Action: b.Action, Category: b.Category, Outcome: b.Outcome, Request: b.Request, ActorID: b.ActorID, TargetID: b.TargetID,
		Words: b.Words, Since: b.Since, Until: b.Until,
	}
	return list.filter()
}

type auditExportPath struct {
	ID id.AuditExport `path:"id" doc:"The export's id." example:"aex_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listAuditExportsInput struct{ edge.Page }

type auditExportBody struct {
	ID            id.AuditExport       `json:"id" doc:"The export's id." example:"aex_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Format        string               `json:"format" enum:"csv,ndjson" doc:"The format of the file."`
	Filtered      bool                 `json:"filtered" doc:"Whether it has other conditions than a time, so that numbers are missing in the file."`
	Status        string               `json:"status" enum:"running,succeeded,cancelled,stalled" doc:"#AuditExport.status"`
	Problem       *string              `json:"problem" doc:"What is wrong; null if nothing is." example:"The last try to write the file has failed. It is tried again."`
	ExaminedCount int64                `json:"examined_count" doc:"How many entries it has looked at." example:"1200"`
	TotalCount    *int64               `json:"total_count" doc:"How many entries it looks at in all; null until it is known." example:"1842"`
	EntryCount    int64                `json:"entry_count" doc:"How many entries are in the file." example:"37"`
	Size          int64                `json:"size" doc:"The bytes of the file." example:"48210"`
	FirstNumber   int64                `json:"first_number" doc:"#AuditExport.first_number" example:"1"`
	Head          *auditExportHeadBody `json:"head" doc:"The last entry that it has looked at; null until it has succeeded, and if there was none."`
	URL           *string              `json:"url" doc:"#AuditExport.url" example:"https://bucket.s3.eu-central-1.amazonaws.com/org_01jdf3z9k2e4nv6xq8r0s1t2v3/aex_01jdf3z9k2e4nv6xq8r0s1t2v3.ndjson?X-Amz-Signature=…"`
	CreatedAt     clock.Stamp          `json:"created_at" format:"date-time" doc:"When it was asked for."`
	CreatedBy     *string              `json:"created_by" doc:"The id of the key that asked for it." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	FinishedAt    *clock.Stamp         `json:"finished_at" format:"date-time" doc:"When it ended; null if it has not."`
}

type auditExportHeadBody struct {
	_      struct{} `nullable:"true"`
	Number int64    `json:"number" doc:"The number of the entry in the chain." example:"1842"`
	Hash   string   `json:"hash" doc:"Its hash in hexadecimal digits. Keep it in another place than the file, to verify the file later." example:"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"`
}

type (
	auditExportOutput        struct{ Body auditExportBody }
	createdAuditExportOutput struct {
		Location string `header:"Location"`
		Body     auditExportBody
	}
	listAuditExportsOutput struct{ Body edge.List[auditExportBody] }
)

// failing is what a customer is told of a job whose last try has failed.
const failing = "The last try to write the file has failed. It is tried again."

func showExport(e export.Export) auditExportBody {
	b := auditExportBody{
		ID: e.ID, Format: e.Format, Filtered: e.Filter.IsPartial(), Status: e.Status, ExaminedCount: e.Examined(), TotalCount: e.Total(),
		EntryCount: e.Entries, Size: e.Size,
		FirstNumber: e.FirstNumber, CreatedAt: clock.Stamp(e.CreatedAt), CreatedBy: edge.OrNull(e.CreatedBy), FinishedAt: clock.StampOf(e.FinishedAt),
	}
	if e.Failing {
		b.Problem = new(failing)
	}
	if e.Status == export.Succeeded && e.LastHash != nil {
		b.Head = &auditExportHeadBody{Number: *e.LastNumber, Hash: hex.EncodeToString(e.LastHash)}
	}
	return b
}

func exportTarget(e export.Export) audit.Target { return audit.Of("audit_export", e.ID) }

func createExport(c *edge.Call, in *createAuditExportInput) (*createdAuditExportOutput, error) {
	by := c.Caller.Actor.ID
	f := in.filter()
	e, err := export.Start(c, c.Tx, c.Org, export.New{Format: in.Body.Format, Filter: f, By: by})
	if err != nil {
		return nil, err
	}
	after := audit.Fields{"format": e.Format, "filtered": f.IsPartial()}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			after[name] = clock.Stamp(at)
		}
	}
	c.Audit(nil, after, exportTarget(e))
	return &createdAuditExportOutput{Location: "/v1/audit-exports/" + e.ID.String(), Body: showExport(e)}, nil
}

func listExports(c *edge.Call, in *listAuditExportsInput) (*listAuditExportsOutput, error) {
	var after id.AuditExport
	if err := c.Position("audit_exports", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	list, err := export.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listAuditExportsOutput{Body: edge.ListOf(list, in.Limit, showExport, func(last export.Export) *string {
		return c.Cursor("audit_exports", last.ID.UUID)
	})}, nil
}

func getExport(c *edge.Call, in *auditExportPath) (*auditExportOutput, error) {
	e, err := export.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	out := &auditExportOutput{Body: showExport(e)}
	if out.Body.URL, err = e.Link(c, c.LinkTo, c.Org, c.Clock.Now()); out.Body.URL != nil {
		c.RecordRead() // the link shows the log
	}
	return out, err
}

func cancelExport(c *edge.Call, in *auditExportPath) (*auditExportOutput, error) {
	e, err := export.Cancel(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(audit.Fields{"status": export.Running}, audit.Fields{"status": e.Status}, exportTarget(e))
	return &auditExportOutput{Body: showExport(e)}, nil
}
